//! A redemption is one trace, from the caller's span through loyalty, SQL and cache, the relay, notification
//! and scoring, as an OTLP collector receives it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use harness::calls::{create_program, create_reward, enroll, purchase, record, redemption};
use harness::processes::Processes;
use harness::servers::Redis;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use proto::rapport::loyalty::v1 as pb;
use sea_orm::ConnectionTrait;
use suite::compose::Role;
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

/// A redemption of a member on four processes that export to a collector.
struct Told {
    collector: Collector,
    processes: Processes,
    member: String,
}

/// The caller's own trace, and its span.
const TRACE: (&str, &str) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");

async fn begin() -> Told {
    let collector = Collector::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let service = TraceServiceServer::new(collector.clone());
    let server = tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming);
    tokio::spawn(server);
    let processes = Processes::start(&[("RAPPORT__TELEMETRY__OTLP_ENDPOINT", endpoint.as_str())]).await;
    let caller = processes.client(Role::Loyalty).await;
    create_program(&caller).await;
    create_reward(&caller, "mug", 30, Some(10)).await;
    let member = enroll(&caller, "anna").await;
    record(&caller, purchase(&member, 100)).await.expect("points");
    Redis::start().published(&caller, &member).await;
    Told { collector, processes, member }
}

impl Told {
    /// Redeems within [`TRACE`]. A plain channel: the caller's own trace context goes out as it is.
    async fn redeem(&self) {
        let target = self.processes.target(Role::Loyalty);
        let channel = tonic::transport::Channel::from_shared(target).expect("an address").connect().await;
        let channel = channel.expect("the service answers");
        let mut redemptions = pb::redemption_service_client::RedemptionServiceClient::new(channel);
        let mut request = Request::new(redemption(&self.member, "mug"));
        let traceparent = format!("00-{}-{}-01", TRACE.0, TRACE.1);
        request.metadata_mut().insert("traceparent", traceparent.parse().expect("ascii"));
        redemptions.redeem_reward(request).await.expect("a redemption");
    }

    /// All spans, once every event is applied and every process has ended: that sends what was not sent yet.
    async fn end(self) -> Vec<Span> {
        self.processes.settled().await;
        self.processes.terminate();
        self.collector.0.lock().expect("no panic").clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_caller_to_the_message_and_the_profile() {
    let story = begin().await;
    story.redeem().await;
    let spans = story.end().await;
    let ours: HashMap<String, &Span> =
        spans.iter().filter(|s| hex(&s.trace_id) == TRACE.0).map(|s| (hex(&s.span_id), s)).collect();
    let names: HashSet<&str> = ours.values().map(|s| s.name.as_str()).collect();
    for name in [
        "rapport.loyalty.v1.RedemptionService/RedeemReward",
        "ledger batch",
        "SELECT wallet FOR UPDATE",
        "SELECT ledger",
        "INSERT ledger",
        "COMMIT",
        DELIVERED,
        PROCESSED,
        "INSERT message",
    ] {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
    for (name, why) in [(DELIVERED, "to each subscriber"), (PROCESSED, "by notification and by scoring")] {
        assert_eq!(ours.values().filter(|s| s.name == name).count(), 2, "{why}: {names:?}");
    }
    let cached = ours.values().any(|s| has(s, "db.system.name", "redis"));
    assert!(cached, "the new balance is published within the trace: {names:?}");
    assert!(ours.values().any(|s| has(s, "db.system.name", "postgresql")));
    for span in ours.values() {
        // Every span hangs on another one of the trace, and the first one on the caller's.
        let mut above = hex(&span.parent_span_id);
        while above != TRACE.1 {
            let next = ours.get(&above).unwrap_or_else(|| panic!("{} hangs on nothing", span.name));
            above = hex(&next.parent_span_id);
        }
    }
    for span in &spans {
        let text = format!("{span:?}");
        assert!(!text.contains("anna"), "personal data in a span: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_event_begins_a_trace_of_its_own_and_links_to_the_first() {
    let mut story = begin().await;
    story.processes.settled().await;
    for role in [Role::Notification, Role::Scoring] {
        story.processes.of(role).kill();
    }
    story.redeem().await;
    // Eleven minutes go by for the event, wherever it is on its way.
    let url = story.processes.database_url(Role::Loyalty).to_owned();
    let settings = db::Settings::Postgres { url, connections_max: 2 };
    let db = db::Db::connect(&settings).await.expect("the database answers");
    story.processes.of(Role::Loyalty).kill();
    let aged = db.transact(|tx| {
        async move {
            for table in ["event", "event_log"] {
                let kind = "rapport.loyalty.v1.RewardRedeemed";
                let sql =
                    format!("UPDATE {table} SET order_key = order_key - 660000000 WHERE kind = '{kind}'");
                tx.execute_unprepared(&sql).await?;
            }
            Ok(())
        }
        .boxed()
    });
    aged.await.expect("aged");
    db.close().await;
    for role in [Role::Notification, Role::Scoring, Role::Loyalty] {
        story.processes.of(role).restart();
    }
    let spans = story.end().await;
    let processed: Vec<&Span> = spans.iter().filter(|s| s.name == PROCESSED).collect();
    assert_eq!(processed.len(), 2);
    for span in processed {
        assert_ne!(hex(&span.trace_id), TRACE.0);
        let linked = span.links.iter().any(|link| hex(&link.trace_id) == TRACE.0);
        assert!(linked, "{:?}", span.links);
    }
}

const DELIVERED: &str = "deliver rapport.loyalty.v1.RewardRedeemed";
const PROCESSED: &str = "process rapport.loyalty.v1.RewardRedeemed";

fn has(span: &Span, key: &str, value: &str) -> bool {
    span.attributes.iter().any(|a| a.key == key && format!("{:?}", a.value).contains(value))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
