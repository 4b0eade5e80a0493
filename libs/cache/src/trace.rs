//! A client span around each call of Redis.

use telemetry::names::attribute;
use telemetry::{KeyValue, SpanKind};

/// Runs `call` within a span named `operation kind`; a call that fails says so on its span.
pub(crate) async fn client<T, E>(
    operation: &'static str,
    kind: &'static str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E>
where
    E: std::error::Error,
{
    if !telemetry::enabled() {
        return call.await;
    }
    let attributes = [
        KeyValue::new(attribute::DB_SYSTEM_NAME, "redis"),
        KeyValue::new(attribute::DB_OPERATION_NAME, operation),
        KeyValue::new(attribute::CACHE_KIND, kind),
    ];
    let call = async {
        let result = call.await;
        if let Err(error) = &result {
            telemetry::fail(error);
        }
        result
    };
    telemetry::span(format!("{operation} {kind}"), SpanKind::Client, attributes, call).await
}
