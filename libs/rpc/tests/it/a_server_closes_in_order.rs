//! A server that closes finishes what it began, within a bound.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{SERVICE, bare, http, ok, reason, request, serve, settings};

#[tokio::test]
async fn callers_are_told_streams_end_and_calls_under_way_are_answered() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, released) = (entered.clone(), release.clone());
    let mut running = serve(&settings(), move |_| {
        let (inside, released) = (inside.clone(), released.clone());
        async move {
            inside.notify_one();
            released.notified().await;
            ok()
        }
    })
    .await;
    let mut client = bare(&running);
    let call = tokio::spawn(async move { client.audit_ledger(request()).await });
    entered.notified().await;
    let origin = format!("http://{}", running.rpc_addr).parse().unwrap();
    let mut health = HealthClient::with_origin(http(), origin);
    let mut watch =
        health.watch(HealthCheckRequest { service: SERVICE.to_owned() }).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    running.stop_advertising().await;
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    let (rpc_addr, ops_addr) = (running.rpc_addr, running.ops_addr);
    let drained = tokio::spawn(async move { (running.drain().await, running) });
    let status = watch.message().await.unwrap_err();
    assert_eq!((status.code(), &*reason(&status)), (Code::Unavailable, "SHUTTING_DOWN"));

    release.notify_one();
    call.await.unwrap().unwrap();
    let (drained, mut running) = drained.await.unwrap();
    assert!(drained);
    assert!(TcpStream::connect(rpc_addr).await.is_err());
    assert!(TcpStream::connect(ops_addr).await.is_ok());
    running.close_ops().await;
    assert!(TcpStream::connect(ops_addr).await.is_err());
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_when_the_time_to_drain_is_over() {
    let entered = Arc::new(Notify::new());
    let inside = entered.clone();
    let mut settings = settings();
    settings.drain = Duration::from_millis(20);
    let mut running = serve(&settings, move |_| {
        inside.notify_one();
        std::future::pending()
    })
    .await;
    let mut client = bare(&running);
    let call = tokio::spawn(async move { client.audit_ledger(request()).await });
    entered.notified().await;
    assert!(!running.drain().await);
    let status = call.await.unwrap().unwrap_err();
    assert_ne!(status.code(), Code::DeadlineExceeded, "the connection was left open");
}
