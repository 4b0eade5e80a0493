//! Too many calls at once are refused early, the interactive ones last.

use std::sync::Arc;

use rpc::{PRIORITY_HEADER, Problem};
use tokio::sync::{Semaphore, mpsc};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use crate::support::{bare, http, ok, reason, request, serve, settings, with_header};

fn assert_shed(status: &Status) {
    assert_eq!((status.code(), &*reason(status)), (Code::Unavailable, "OVERLOADED"));
    assert!(status.get_details_retry_info().is_some_and(|info| info.retry_delay.is_some()));
    assert!(Problem::from_status(status).details.retry_after.is_some());
}

#[tokio::test]
async fn a_full_process_refuses_at_once_but_can_be_looked_at_and_serves_those_it_let_in() {
    let gate = Arc::new(Semaphore::new(0));
    let (entered, mut entries) = mpsc::unbounded_channel();
    let held = gate.clone();
    let mut settings = settings();
    (settings.in_flight_max, settings.queue_max) = (1, 1);
    let running = serve(&settings, move |request| {
        let (held, entered) = (held.clone(), entered.clone());
        async move {
            let batch = request.metadata().get(PRIORITY_HEADER).is_some();
            let _ = entered.send(if batch { "batch" } else { "interactive" });
            held.acquire().await.unwrap().forget();
            ok()
        }
    })
    .await;
    let client = bare(&running);
    let call = |request| {
        let mut client = client.clone();
        tokio::spawn(async move { client.audit_ledger(request).await })
    };
    let working = call(request());
    assert_eq!(entries.recv().await, Some("interactive"));
    let batch = call(with_header(PRIORITY_HEADER, "batch"));
    // Both want the one place in the queue: whichever came first, the interactive call gets it.
    let queued = call(request());
    assert_shed(&batch.await.unwrap().unwrap_err());
    assert_shed(&call(with_header(PRIORITY_HEADER, "batch")).await.unwrap().unwrap_err());
    assert_shed(&call(request()).await.unwrap().unwrap_err());

    let origin = format!("http://{}", running.rpc_addr).parse().unwrap();
    let mut health = HealthClient::with_origin(http(), origin);
    health.check(HealthCheckRequest::default()).await.unwrap();

    gate.add_permits(2);
    working.await.unwrap().unwrap();
    queued.await.unwrap().unwrap();
    assert_eq!(entries.recv().await, Some("interactive"));
    assert!(entries.try_recv().is_err(), "a refused call reached the handler");
}
