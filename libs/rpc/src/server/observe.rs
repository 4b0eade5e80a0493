//! One span and one measurement per incoming call, ended by whatever ends the call.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use http::HeaderMap;
use opentelemetry::metrics::Histogram;
use opentelemetry::trace::{SpanKind, Status as SpanStatus, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};
use telemetry::names::{attribute, metric};
use tonic::Code;

use crate::methods::{Method, code_name, is_server_fault};

static DURATION: LazyLock<Histogram<f64>> =
    LazyLock::new(|| telemetry::seconds(metric::RPC_SERVER_CALL_DURATION, "Duration of incoming calls"));

/// The header and trailer that carries a call's code.
pub(crate) const GRPC_STATUS: &str = "grpc-status";

/// One incoming call. Dropped before its end, it was cancelled.
#[derive(Debug)]
pub(crate) struct Observation {
    method: Arc<Method>,
    started: Instant,
    /// What the handler runs in: the call's span, or at least its trace id.
    pub(crate) context: Context,
    ended: bool,
}

impl Observation {
    /// Continues the caller's trace: from its headers, or from the current context if it is in this process.
    pub(crate) fn begin(method: Arc<Method>, headers: &HeaderMap) -> Observation {
        let parent = telemetry::extract(headers).unwrap_or_else(Context::current);
        let context = method.span(SpanKind::Server, &[], &parent);
        let context = context.unwrap_or_else(|| telemetry::identified(parent));
        Observation { method, started: Instant::now(), context, ended: false }
    }

    /// A response without a body has its code in the head.
    pub(crate) fn head(&mut self, headers: &HeaderMap) {
        if let Some(code) = headers.get(GRPC_STATUS) {
            self.end(Code::from_bytes(code.as_bytes()));
        }
    }

    pub(crate) fn trailers(&mut self, trailers: &HeaderMap) {
        let code = trailers.get(GRPC_STATUS).map_or(Code::Unknown, |code| Code::from_bytes(code.as_bytes()));
        self.end(code);
    }

    pub(crate) fn end(&mut self, code: Code) {
        if self.ended {
            return;
        }
        self.ended = true;
        DURATION.record(self.started.elapsed().as_secs_f64(), self.method.attributes(code));
        let span = self.context.span();
        if span.is_recording() {
            span.set_attribute(KeyValue::new(attribute::RPC_RESPONSE_STATUS_CODE, code_name(code)));
            if is_server_fault(code) {
                span.set_attribute(KeyValue::new(attribute::ERROR_TYPE, code_name(code)));
                span.set_status(SpanStatus::error(""));
            }
            span.end();
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}
