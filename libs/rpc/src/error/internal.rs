//! Faults: logged once, here, with the whole chain of causes; the caller gets an id to quote.

use std::any::Any;
use std::error::Error;
use std::fmt::Write as _;
use std::sync::LazyLock;

use opentelemetry::Context;
use opentelemetry::metrics::Counter;
use telemetry::names::metric;
use tonic::{Code, Status};

use super::Problem;
use crate::DOMAIN;

static PANICS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    telemetry::meter()
        .u64_counter(metric::RPC_SERVER_PANICS)
        .with_description("Handlers that panicked")
        .build()
});

/// INTERNAL for an unexpected error. Logs it with its causes; its text never leaves the process.
pub fn internal(error: &(dyn Error + 'static)) -> Status {
    internal_because(chain(error))
}

/// INTERNAL for a fault that is no error value, such as a broken invariant. Logs `cause`.
pub fn internal_because(cause: impl std::fmt::Display) -> Status {
    let _identified = telemetry::identified(Context::current()).attach();
    let trace = telemetry::trace_id().unwrap_or_default();
    tracing::error!(%cause, "internal error");
    telemetry::fail_with("INTERNAL", &Fault);
    let message = format!("internal error, trace {trace}");
    Problem::new(Code::Internal, DOMAIN, "INTERNAL", message).with("trace_id", trace).to_status()
}

/// INTERNAL for a caught panic.
pub fn panicked(panic: &(dyn Any + Send)) -> Status {
    PANICS.add(1, &[]);
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    internal_because(format_args!("panic: {}", text.unwrap_or("without a message")))
}

#[derive(Debug, thiserror::Error)]
#[error("internal error")]
struct Fault;

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("statement failed")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_fault_tells_its_caller_a_trace_id_and_nothing_else() {
        let error = Outer(std::io::Error::other("password=hunter2 in column name"));
        assert_eq!(chain(&error), "statement failed: password=hunter2 in column name");
        let parent = telemetry::context_from("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let _attached = parent.attach();
        let status = internal(&error);
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(status.message(), "internal error, trace 0af7651916cd43dd8448eb211c80319c");
        assert!(!String::from_utf8_lossy(status.details()).contains("hunter2"));
    }

    #[test]
    fn outside_of_a_trace_the_id_is_made_up_for_the_log() {
        let problem = Problem::from_status(&internal_because("broken"));
        assert_eq!(problem.metadata[0].1.len(), 32);
        assert!(problem.message.ends_with(&problem.metadata[0].1));
    }
}
