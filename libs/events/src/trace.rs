//! Spans of events: each in the trace that caused it, and one around a delivery that links to them.

use std::time::Duration;

use proto::rapport::event::v1 as pb;
use telemetry::names::attribute;
use telemetry::{Context, KeyValue, SpanKind, TraceContextExt};
use tonic::Status;

use crate::machine_now_micros;

/// An event older than this begins a new trace with a link: its own has ended long ago.
pub(crate) const TRACE_MAX: Duration = Duration::from_secs(600);

/// Runs the call of a delivery in its span, and closes a span for each traced event when it ends.
pub(crate) async fn delivering<T>(
    subscriber: &'static str,
    request: &pb::DeliverRequest,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    if !telemetry::enabled() {
        return call.await;
    }
    let events = request.slices.iter().flat_map(|slice| &slice.events);
    let spans: Vec<Context> =
        events.filter_map(|event| begin("deliver", event, SpanKind::Producer)).collect();
    let attributes = [
        KeyValue::new(attribute::MESSAGING_SYSTEM, "rapport"),
        KeyValue::new(attribute::MESSAGING_DESTINATION_NAME, request.source.clone()),
        KeyValue::new(attribute::MESSAGING_CONSUMER_GROUP_NAME, subscriber),
        KeyValue::new(attribute::MESSAGING_OPERATION_TYPE, "send"),
    ];
    let called = telemetry::linked("deliver events", SpanKind::Client, attributes, &spans, call).await;
    for span in &spans {
        if let Err(status) = &called {
            span.span().set_attribute(KeyValue::new(attribute::ERROR_TYPE, format!("{:?}", status.code())));
        }
        span.span().end();
    }
    called
}

/// A span of one event, in the trace that caused it or linked to it; `None` if that is not recorded.
pub(crate) fn begin(operation: &'static str, event: &pb::Event, kind: SpanKind) -> Option<Context> {
    if event.traceparent.is_empty() {
        return None;
    }
    let cause = telemetry::context_from(&event.traceparent);
    let attributes = [
        KeyValue::new(attribute::MESSAGING_SYSTEM, "rapport"),
        KeyValue::new(attribute::MESSAGING_OPERATION_NAME, operation),
        KeyValue::new(attribute::MESSAGING_MESSAGE_ID, event.event_id.clone()),
    ];
    let age = machine_now_micros().saturating_sub(event.order_key);
    let recent = u128::try_from(age).unwrap_or(0) <= TRACE_MAX.as_micros();
    let name = format!("{operation} {}", event.kind);
    if recent {
        telemetry::start(name, kind, attributes, &cause)
    } else {
        telemetry::start_linked(name, kind, attributes, &Context::new(), std::slice::from_ref(&cause))
    }
}
