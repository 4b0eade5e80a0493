//! Spans around futures, free of charge when nobody records them.

use std::borrow::Cow;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as Task, Poll};

use opentelemetry::trace::{Link, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use pin_project_lite::pin_project;

use crate::names::attribute;

static ENABLED: AtomicBool = AtomicBool::new(false);
static TRACER: RwLock<Option<SdkTracer>> = RwLock::new(None);

/// Whether a collector is configured at all.
pub fn enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// The tracer of the process; none without a collector.
pub fn tracer() -> Option<SdkTracer> {
    if !enabled() {
        return None;
    }
    TRACER.read().ok()?.clone()
}

pub(crate) fn set_tracer(tracer: Option<SdkTracer>) {
    if let Ok(mut slot) = TRACER.write() {
        ENABLED.store(tracer.is_some(), Ordering::Relaxed);
        *slot = tracer;
    }
}

/// Whether the current span is recorded: worth asking before an attribute costs an allocation.
pub fn is_recording() -> bool {
    enabled() && Context::map_current(|context| context.span().is_recording())
}

/// The trace id of the current context, as 32 hex digits.
pub fn trace_id() -> Option<String> {
    Context::map_current(|context| {
        let span = context.span();
        let span = span.span_context();
        span.is_valid().then(|| span.trace_id().to_string())
    })
}

/// A span below `parent`, as the context to work in; a root span if `parent` is in no trace. None, and
/// `attributes` is not read, when tracing is off or `parent` belongs to a trace that is not sampled.
pub fn start(
    name: impl Into<Cow<'static, str>>,
    kind: SpanKind,
    attributes: impl IntoIterator<Item = KeyValue>,
    parent: &Context,
) -> Option<Context> {
    let unsampled = || {
        let span = parent.span();
        span.span_context().is_valid() && !span.span_context().is_sampled()
    };
    if !enabled() || unsampled() {
        return None;
    }
    let tracer = tracer()?;
    let builder = tracer.span_builder(name).with_kind(kind).with_attributes(attributes);
    Some(parent.with_span(tracer.build_with_context(builder, parent)))
}

/// As [`start`], with links to the spans of other contexts.
pub fn start_linked(
    name: impl Into<Cow<'static, str>>,
    kind: SpanKind,
    attributes: impl IntoIterator<Item = KeyValue>,
    parent: &Context,
    linked: &[Context],
) -> Option<Context> {
    let tracer = tracer()?;
    let links = linked.iter().map(|context| Link::with_context(context.span().span_context().clone()));
    let builder = tracer.span_builder(name).with_kind(kind).with_attributes(attributes);
    let builder = builder.with_links(links.collect());
    Some(parent.with_span(tracer.build_with_context(builder, parent)))
}

/// Runs `future` in a span below the current one, linked to the spans of other contexts; without a link
/// `future` just runs.
pub fn linked<F: Future>(
    name: impl Into<Cow<'static, str>>,
    kind: SpanKind,
    attributes: impl IntoIterator<Item = KeyValue>,
    linked: &[Context],
    future: F,
) -> Spanned<F> {
    let context = match linked.is_empty() {
        true => None,
        false => start_linked(name, kind, attributes, &Context::current(), linked),
    };
    Spanned { inner: future, context }
}

/// Runs `future` in a span below the current one, as [`start`] makes it; without one `future` just runs.
pub fn span<F: Future>(
    name: impl Into<Cow<'static, str>>,
    kind: SpanKind,
    attributes: impl IntoIterator<Item = KeyValue>,
    future: F,
) -> Spanned<F> {
    let context = match enabled() {
        true => start(name, kind, attributes, &Context::current()),
        false => None,
    };
    Spanned { inner: future, context }
}

/// Marks the current span as failed. `error` must not carry personal data: its text leaves the process.
pub fn fail(error: &dyn Error) {
    fail_with(attribute::ERROR_TYPE_OTHER, error);
}

/// Marks the current span as failed, with the short name of what went wrong (a SQLSTATE, a gRPC code).
pub fn fail_with(error_type: impl Into<Cow<'static, str>>, error: &dyn Error) {
    if !enabled() {
        return;
    }
    Context::map_current(|context| {
        let span = context.span();
        if span.is_recording() {
            span.set_attribute(KeyValue::new(attribute::ERROR_TYPE, error_type.into()));
            span.set_status(Status::error(error.to_string()));
        }
    });
}

pin_project! {
    /// A future inside its span; the span ends when the future does, or is dropped.
    #[derive(Debug)]
    pub struct Spanned<F> {
        #[pin]
        inner: F,
        context: Option<Context>,
    }

    impl<F> PinnedDrop for Spanned<F> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(context) = this.project().context.take() {
                context.span().end();
            }
        }
    }
}

impl<F: Future> Future for Spanned<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<F::Output> {
        let this = self.project();
        let attached = this.context.clone().map(Context::attach);
        let polled = this.inner.poll(task);
        drop(attached);
        if polled.is_ready()
            && let Some(context) = this.context.take()
        {
            context.span().end();
        }
        polled
    }
}
