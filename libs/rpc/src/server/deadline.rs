//! Deadlines: every call has one, and a call that is late is told so with the code that says so.

use std::future::Future;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;
use tonic::Code;

use crate::{DOMAIN, Problem, call, grpc_timeout};

/// For calls that watch: longer than any process lives, short enough for timers.
pub(crate) const FOREVER: Duration = Duration::from_secs(365 * 24 * 3_600);

/// When the call must have ended: at its caller's deadline, `max` at the latest; a call made within the
/// process has no more time than the call it is made for. A timeout that cannot be read is the caller's
/// mistake and not no timeout.
pub(crate) fn of(headers: &HeaderMap, max: Duration) -> Result<Instant, Problem> {
    let timeout = grpc_timeout::parse(headers).map_err(|value| {
        let message = "grpc-timeout must be at most eight digits and one of H, M, S, m, u, n";
        Problem::invalid(DOMAIN, "DEADLINE_MALFORMED", message).with("grpc_timeout", value)
    })?;
    let until = Instant::now() + timeout.map_or(max, |timeout| timeout.min(max));
    Ok(call::deadline().map_or(until, |inherited| until.min(inherited.0)))
}

/// The outcome of `work`, or none if the time is over first; `work` is then dropped.
pub(crate) async fn within<F: Future>(until: Instant, work: F) -> Option<F::Output> {
    tokio::time::timeout_at(until, work).await.ok()
}

pub(crate) fn exceeded() -> Problem {
    let message = "the deadline passed before the call ended; a change it asked for may still be made";
    Problem::new(Code::DeadlineExceeded, DOMAIN, "DEADLINE_EXCEEDED", message)
}
