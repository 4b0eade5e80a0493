//! From the caller through a server and the call it makes in turn, mutation task included: one trace, each
//! span below the one that caused it. A file of its own, because the collector is one per process.

#![cfg(test)]

extern crate rapport_rpc as rpc;

mod collector;
#[path = "../it/support.rs"]
#[expect(dead_code, reason = "shared with the other tests")]
mod support;

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use support::{SERVICE, client, ok, request, serve, settings};
use telemetry::SpanKind;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_redemption_is_one_trace() {
    let (endpoint, mut received) = collector::start().await;
    let otlp_endpoint = Some(endpoint);
    let telemetry =
        telemetry::init(telemetry::Settings { otlp_endpoint, ..telemetry::Settings::default() }).unwrap();

    let inner = serve(&settings(), |request| async move {
        let mutation = async { telemetry::span("COMMIT", SpanKind::Client, [], async {}).await };
        rpc::run_to_completion(request.extensions(), mutation).await?;
        ok()
    })
    .await;
    let inward = client(&inner);
    let outer = serve(&settings(), move |_| {
        let mut inward = inward.clone();
        async move { inward.audit_ledger(request()).await }
    })
    .await;
    let mut outward = client(&outer);
    telemetry::span("redeem", SpanKind::Internal, [], outward.audit_ledger(request())).await.unwrap();

    assert!(telemetry.flush(Duration::from_secs(5)).await);
    let mut spans = Vec::new();
    while spans.len() < 6 {
        let batch = received.recv().await.unwrap();
        let resource = batch.resource_spans.into_iter();
        spans.extend(resource.flat_map(|it| it.scope_spans).flat_map(|it| it.spans));
    }
    let call = format!("{SERVICE}/AuditLedger");
    let expected = [("redeem", 1), (&*call, 3), (&*call, 2), (&*call, 3), (&*call, 2), ("COMMIT", 3)];
    let mut parent = Vec::new();
    for (name, kind) in expected {
        let child = |span: &&Span| span.parent_span_id == parent;
        let span = spans.iter().find(child).unwrap_or_else(|| panic!("nothing below {parent:?}: {spans:?}"));
        assert_eq!((&*span.name, span.kind, &span.trace_id), (name, kind, &spans[0].trace_id));
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
        parent = span.span_id.clone();
    }
    assert!(telemetry.shutdown(Duration::from_secs(5)).await);
}
