//! A span for each traced event while its transaction runs.

use proto::rapport::event::v1 as pb;
use telemetry::{Context, SpanKind, TraceContextExt};

use super::continuity::Piece;

/// Begins the spans of the events.
pub(super) fn begin(pieces: &[Piece]) -> Vec<Context> {
    if !telemetry::enabled() {
        return Vec::new();
    }
    let events = pieces.iter().flat_map(|piece| &piece.events);
    let span = |(_, event): &(i64, crate::Received)| {
        let event = pb::Event {
            event_id: event.event_id.to_string(),
            kind: event.kind.clone(),
            order_key: event.order_key,
            traceparent: event.traceparent.clone(),
            ..pb::Event::default()
        };
        crate::trace::begin("process", &event, SpanKind::Consumer)
    };
    events.filter_map(span).collect()
}

/// Runs the transaction in the span of its event if there is one; of many, in the delivery's.
pub(super) async fn within<T>(spans: &[Context], work: impl Future<Output = T>) -> T {
    use opentelemetry::context::FutureExt as _;
    match spans {
        [one] => work.with_context(one.clone()).await,
        _ => work.await,
    }
}

/// Ends the spans.
pub(super) fn end(spans: Vec<Context>, applied: bool) {
    for context in spans {
        if !applied {
            let error = telemetry::KeyValue::new(telemetry::names::attribute::ERROR_TYPE, "not_applied");
            context.span().set_attribute(error);
        }
        context.span().end();
    }
}
