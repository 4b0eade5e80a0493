//! A redemption is one trace, from the caller's span through loyalty, SQL and cache, the relay and
//! notification, as an OTLP collector receives it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use harness::calls::{create_program, create_reward, enroll, purchase, record, redemption};
use harness::house::client;
use harness::process::Process;
use harness::servers::{Postgres, Redis};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use proto::rapport::loyalty::v1 as pb;
use tonic::{Request, Response, Status};

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let exported = request.into_inner().resource_spans.into_iter();
        let spans = exported.flat_map(|r| r.scope_spans).flat_map(|s| s.spans);
        self.0.lock().expect("no panic").extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_caller_to_the_message() {
    let collector = Collector::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let service = TraceServiceServer::new(collector.clone());
    let server = tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming);
    tokio::spawn(server);

    let url = Postgres::start().fresh_database().await;
    Process::migrate(&url);
    let redis = Redis::start().url();
    let messages = Postgres::start().fresh_database().await;
    Process::migrate_service("notification", &messages);
    let exporting = [("RAPPORT__TELEMETRY__OTLP_ENDPOINT", endpoint.as_str())];
    let notification = Process::notification_with(&messages, &exporting);
    let flags = ["--redis-url", redis, "--otlp-endpoint", &endpoint];
    let process = Process::loyalty_notifying(&url, &flags, &notification);
    let caller = client(&process.target()).await;
    create_program(&caller).await;
    create_reward(&caller, "mug", 30, Some(10)).await;
    let member = enroll(&caller, "anna").await;
    record(&caller, purchase(&member, 100)).await.expect("points");
    // A plain channel: the caller's own trace context goes out as it is.
    let channel =
        tonic::transport::Channel::from_shared(process.target()).expect("an address").connect().await;
    let channel = channel.expect("the service answers");
    let mut redemptions = pb::redemption_service_client::RedemptionServiceClient::new(channel);
    let mut request = Request::new(redemption(&member, "mug"));
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    request.metadata_mut().insert("traceparent", format!("00-{trace}-{parent}-01").parse().expect("ascii"));
    redemptions.redeem_reward(request).await.expect("a redemption");
    told(&notification, &member).await;
    // Ending a process sends what it has not sent yet.
    process.terminate();
    notification.terminate();

    let spans = collector.0.lock().expect("no panic").clone();
    let ours: HashMap<String, &Span> =
        spans.iter().filter(|s| hex(&s.trace_id) == trace).map(|s| (hex(&s.span_id), s)).collect();
    let names: HashSet<&str> = ours.values().map(|s| s.name.as_str()).collect();
    for name in [
        "rapport.loyalty.v1.RedemptionService/RedeemReward",
        "ledger batch",
        "SELECT wallet FOR UPDATE",
        "SELECT ledger",
        "INSERT ledger",
        "COMMIT",
        "deliver rapport.loyalty.v1.RewardRedeemed",
        "process rapport.loyalty.v1.RewardRedeemed",
        "INSERT message",
    ] {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
    let cached = ours.values().any(|s| has(s, "db.system.name", "redis"));
    assert!(cached, "the new balance is published within the trace: {names:?}");
    assert!(ours.values().any(|s| has(s, "db.system.name", "postgresql")));
    for span in ours.values() {
        // Every span hangs on another one of the trace, and the first one on the caller's.
        let mut above = hex(&span.parent_span_id);
        while above != parent {
            let next = ours.get(&above).unwrap_or_else(|| panic!("{} hangs on nothing", span.name));
            above = hex(&next.parent_span_id);
        }
    }
    for span in &spans {
        let text = format!("{span:?}");
        assert!(!text.contains("anna"), "personal data in a span: {text}");
    }
}

/// Resolves when the member has a message.
async fn told(notification: &Process, member: &str) {
    use proto::rapport::notification::v1::ListInboxRequest;
    use proto::rapport::notification::v1::inbox_service_client::InboxServiceClient;
    let reader = client(&notification.target()).await;
    let asking = async {
        loop {
            let request = ListInboxRequest { recipient_id: member.into(), ..Default::default() };
            let asked = InboxServiceClient::new(reader.clone()).list_inbox(request).await;
            if !asked.expect("an inbox").into_inner().messages.is_empty() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), asking).await.expect("the message arrives");
}

fn has(span: &Span, key: &str, value: &str) -> bool {
    span.attributes.iter().any(|a| a.key == key && format!("{:?}", a.value).contains(value))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
