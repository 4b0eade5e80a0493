//! Traces, metrics and logs of a Rapport process, and the promise that they never cost a call its answer:
//! with no collector configured a span is one atomic load, and with a dead one shutdown still ends in time.
//!
//! Spans are made with the OpenTelemetry API and go out over OTLP; `tracing` is for log lines only, each of
//! which carries the trace id of the call that wrote it. Metrics are read from [`render_metrics`], in
//! Prometheus text.

mod init;
mod logs;
mod metrics;
pub mod names;
mod propagation;
mod span;

pub use init::{Error, LogFormat, Settings, Telemetry, init};
pub use metrics::{meter, render_metrics, seconds};
pub use opentelemetry::trace::{SpanKind, TraceContextExt};
pub use opentelemetry::{Context, KeyValue};
pub use propagation::{context_from, extract, identified, inject, traceparent};
pub use span::{
    Spanned, enabled, fail, fail_with, is_recording, linked, span, start, start_linked, trace_id, tracer,
};
