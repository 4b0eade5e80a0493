//! Trace context across process borders: W3C headers on calls, one line of text beside a stored event.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, trace};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};

static W3C: LazyLock<TraceContextPropagator> = LazyLock::new(TraceContextPropagator::new);

/// The current span as `traceparent` text, to be stored with an event. None outside of any trace.
pub fn traceparent() -> Option<String> {
    Context::map_current(|context| {
        let span = context.span();
        let span = span.span_context();
        span.is_valid().then(|| {
            let flags = span.trace_flags() & TraceFlags::SAMPLED;
            format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id())
        })
    })
}

/// The context that [`traceparent`] wrote; an empty one if the text is not a `traceparent`.
pub fn context_from(traceparent: &str) -> Context {
    struct Line<'a>(&'a str);
    impl Extractor for Line<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            (key == "traceparent").then_some(self.0)
        }
        fn keys(&self) -> Vec<&str> {
            vec!["traceparent"]
        }
    }
    W3C.extract_with_context(&Context::new(), &Line(traceparent))
}

/// The caller's context, from the headers of its call.
pub fn extract(headers: &HeaderMap) -> Option<Context> {
    struct Headers<'a>(&'a HeaderMap);
    impl Extractor for Headers<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            self.0.get(key).and_then(|value| value.to_str().ok())
        }
        fn keys(&self) -> Vec<&str> {
            self.0.keys().map(HeaderName::as_str).collect()
        }
    }
    headers.contains_key("traceparent").then(|| W3C.extract_with_context(&Context::new(), &Headers(headers)))
}

/// Writes `context` into the headers of an outgoing call.
pub fn inject(context: &Context, headers: &mut HeaderMap) {
    struct Headers<'a>(&'a mut HeaderMap);
    impl Injector for Headers<'_> {
        fn set(&mut self, key: &str, value: String) {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) else {
                return;
            };
            if !value.is_empty() {
                self.0.insert(name, value);
            }
        }
    }
    W3C.inject_context(context, &mut Headers(headers));
}

/// `parent` if it names a trace, otherwise a context with a fresh trace id that records nothing: so the log
/// lines of one call share an id, and its callees too, even where nobody collects traces.
pub fn identified(parent: Context) -> Context {
    if parent.span().span_context().is_valid() {
        return parent;
    }
    let ids = RandomIdGenerator::default();
    let (trace, span): (TraceId, SpanId) = (ids.new_trace_id(), ids.new_span_id());
    let identity = SpanContext::new(trace, span, trace::TraceFlags::default(), true, TraceState::NONE);
    parent.with_remote_span_context(identity)
}
