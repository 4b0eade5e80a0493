//! A call has a deadline, whether its caller sets one or not, and nothing runs that is too late.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proto::rapport::loyalty::v1::audit_service_client::AuditServiceClient;
use rpc::Deadline;
use tokio::time::Instant;
use tonic::Code;

use crate::support::{
    Answer, DESCRIPTORS, bare, client, ok, reason, request, routes, serve, settings, with_header,
};

async fn never() -> Answer {
    std::future::pending().await
}

/// Within the process, where the message is there with the headers: only the layer stops the handler.
#[tokio::test]
async fn a_call_that_is_too_late_never_reaches_its_handler() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let bound = rpc::server::bind(&settings(), DESCRIPTORS).unwrap();
    let stack = bound.in_process(routes(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { ok() }
    }));
    let mut client = AuditServiceClient::new(stack);
    let status = client.audit_ledger(with_header("grpc-timeout", "0m")).await.unwrap_err();
    assert_eq!((status.code(), &*reason(&status)), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    client.audit_ledger(request()).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_deadline_that_passes_is_not_called_a_cancellation() {
    let running = serve(&settings(), |_| never()).await;
    let status = bare(&running).audit_ledger(with_header("grpc-timeout", "20m")).await.unwrap_err();
    assert_eq!((status.code(), &*reason(&status)), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
}

#[tokio::test]
async fn callers_without_a_deadline_or_with_a_distant_one_get_the_longest() {
    let mut settings = settings();
    settings.deadline_max = Duration::from_millis(40);
    let running = serve(&settings, |request| async move {
        let Deadline(until) = *request.extensions().get().unwrap();
        assert_eq!(rpc::deadline(), Some(Deadline(until)));
        assert!(until <= Instant::now() + Duration::from_millis(40));
        never().await
    })
    .await;
    for request in [request(), with_header("grpc-timeout", "9H")] {
        let status = bare(&running).audit_ledger(request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }
}

#[tokio::test]
async fn a_timeout_that_cannot_be_read_is_a_mistake() {
    let running = serve(&settings(), |_| async { ok() }).await;
    let status = bare(&running).audit_ledger(with_header("grpc-timeout", "soon")).await.unwrap_err();
    assert_eq!((status.code(), &*reason(&status)), (Code::InvalidArgument, "DEADLINE_MALFORMED"));
}

#[tokio::test]
async fn what_is_left_of_a_deadline_goes_with_the_calls_made_for_it() {
    let inner = serve(&settings(), |request| async move {
        let Deadline(until) = *request.extensions().get().unwrap();
        assert!(
            until <= Instant::now() + Duration::from_secs(5),
            "the callee was given more time than was left"
        );
        ok()
    })
    .await;
    let client = client(&inner);
    let outer = serve(&settings(), move |_| {
        let mut client = client.clone();
        async move { client.audit_ledger(request()).await }
    })
    .await;
    bare(&outer).audit_ledger(with_header("grpc-timeout", "5S")).await.unwrap();
}
