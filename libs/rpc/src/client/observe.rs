//! One span and one measurement per outgoing call, its repetitions included.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use http::{Response, Uri};
use opentelemetry::metrics::Histogram;
use opentelemetry::trace::{SpanKind, Status as SpanStatus, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};
use telemetry::names::{attribute, metric};
use tonic::Code;

use super::ClientBody;
use crate::methods::{Method, code_name};

static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    telemetry::seconds(metric::RPC_CLIENT_CALL_DURATION, "Duration of outgoing calls, repetitions included")
});

/// Where calls go, as span attributes.
#[derive(Debug)]
pub(super) struct Origin(Vec<KeyValue>);

impl Origin {
    pub(super) fn of(uri: &Uri) -> Origin {
        let host = uri.host().map(|host| KeyValue::new(attribute::SERVER_ADDRESS, host.to_owned()));
        let port = uri.port_u16().map(|port| KeyValue::new(attribute::SERVER_PORT, i64::from(port)));
        Origin(host.into_iter().chain(port).collect())
    }
}

/// One outgoing call. Dropped before its end, it was cancelled.
#[derive(Debug)]
pub(super) struct Outgoing {
    method: Arc<Method>,
    started: Instant,
    pub(super) context: Context,
    ended: bool,
}

impl Outgoing {
    pub(super) fn begin(method: Arc<Method>, origin: &Origin) -> Outgoing {
        let parent = Context::current();
        let context = method.span(SpanKind::Client, &origin.0, &parent);
        let context = context.unwrap_or_else(|| telemetry::identified(parent));
        Outgoing { method, started: Instant::now(), context, ended: false }
    }

    /// Ends now if the answer has arrived, otherwise with its stream.
    pub(super) fn watch(mut self, response: Response<ClientBody>) -> Response<ClientBody> {
        match response.body().code(response.headers()) {
            Some(code) => {
                self.end(code);
                response
            }
            None => response.map(|body| body.watched(self)),
        }
    }

    pub(super) fn end(&mut self, code: Code) {
        if self.ended {
            return;
        }
        self.ended = true;
        DURATION.record(self.started.elapsed().as_secs_f64(), self.method.attributes(code));
        let span = self.context.span();
        if span.is_recording() {
            span.set_attribute(KeyValue::new(attribute::RPC_RESPONSE_STATUS_CODE, code_name(code)));
            if code != Code::Ok {
                span.set_attribute(KeyValue::new(attribute::ERROR_TYPE, code_name(code)));
                span.set_status(SpanStatus::error(""));
            }
            span.end();
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}
