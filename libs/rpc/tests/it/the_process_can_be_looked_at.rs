//! Health, readiness, metrics and reflection say what is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rpc::server::Readiness;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::support::{DESCRIPTORS, SERVICE, bare, client, http, ok, request, routes, serve, settings};

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

#[tokio::test]
async fn calls_are_counted_by_method_and_code_and_unknown_methods_under_one_name() {
    let running = serve(&settings(), |_| async { ok() }).await;
    bare(&running).audit_ledger(request()).await.unwrap();
    let call = http::Request::post(format!("http://{}/made.up/Name", running.rpc_addr));
    http().request(call.body(tonic::body::Body::empty()).unwrap()).await.unwrap();
    let metrics = get(running.ops_addr, "/metrics").await;
    let count = |method: &str, code: &str| {
        metrics.lines().any(|line| {
            line.starts_with("rpc_server_call_duration_seconds_count{")
                && line.contains(&format!("rpc_method=\"{method}\""))
                && line.contains(&format!("rpc_response_status_code=\"{code}\""))
        })
    };
    assert!(count(&format!("{SERVICE}/AuditLedger"), "OK"), "{metrics}");
    assert!(count("_OTHER", "UNIMPLEMENTED"), "{metrics}");
    assert!(!metrics.contains("made.up"));
}

#[tokio::test]
async fn readiness_asks_and_liveness_does_not() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let bound = rpc::server::bind(&settings(), DESCRIPTORS).unwrap();
    let readiness = Readiness::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { true }
    });
    let running = bound.serve(routes(|_| async { ok() }), &[], readiness).await.unwrap();
    assert!(get(running.ops_addr, "/livez").await.starts_with("HTTP/1.1 200"));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    assert!(get(running.ops_addr, "/readyz").await.starts_with("HTTP/1.1 200"));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    running.stop_advertising().await;
    assert!(get(running.ops_addr, "/readyz").await.starts_with("HTTP/1.1 503"));
    assert!(get(running.ops_addr, "/livez").await.starts_with("HTTP/1.1 200"));
    assert!(get(running.ops_addr, "/buildz").await.contains(env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn both_ports_answer_health_and_the_first_reflects() {
    let running = serve(&settings(), |_| async { ok() }).await;
    for address in [running.rpc_addr, running.ops_addr] {
        let origin = format!("http://{address}").parse().unwrap();
        let mut health = tonic_health::pb::health_client::HealthClient::with_origin(http(), origin);
        let request = tonic_health::pb::HealthCheckRequest { service: SERVICE.to_owned() };
        assert_eq!(health.check(request).await.unwrap().into_inner().status, 1);
    }
    let origin = format!("http://{}", running.rpc_addr).parse().unwrap();
    let mut reflection = ServerReflectionClient::with_origin(http(), origin);
    let list = MessageRequest::ListServices(String::new());
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let stream = tokio_stream::once(request);
    let mut answers = reflection.server_reflection_info(stream).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list")
    };
    assert!(list.service.iter().any(|service| service.name == SERVICE));
}

#[tokio::test]
async fn a_browser_on_the_rpc_port_is_told_where_it_is() {
    let running = serve(&settings(), |_| async { ok() }).await;
    let answer = get(running.rpc_addr, "/index.html").await;
    assert!(answer.starts_with("HTTP/1.1 505") && answer.contains("gRPC"), "{answer}");
}

#[tokio::test]
async fn a_call_keeps_the_trace_of_its_caller_without_any_collector() {
    let running = serve(&settings(), |request| async move {
        let header = request.metadata().get("traceparent").unwrap().to_str().unwrap().to_owned();
        assert_eq!(telemetry::trace_id().unwrap(), header[3..35]);
        let id = telemetry::trace_id();
        let inner = async move { telemetry::trace_id() };
        assert_eq!(rpc::run_to_completion(request.extensions(), inner).await?, id);
        Err(rpc::Problem::not_found("test", "TRACE", id.unwrap_or_default()).into())
    })
    .await;
    let parent = telemetry::context_from("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
    let call = async move { client(&running).audit_ledger(request()).await };
    let status = opentelemetry::context::FutureExt::with_context(call, parent).await.unwrap_err();
    assert_eq!(status.message(), "0af7651916cd43dd8448eb211c80319c");
}
