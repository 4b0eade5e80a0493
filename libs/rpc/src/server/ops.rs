//! The operations port: plaintext, for probes and scrapers. Liveness never asks a database; readiness does,
//! but not for every probe, and does not flap.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};

use super::Readiness;

/// Failures in a row until the process is not ready; one success makes it ready again.
const FAILURES_MAX: u32 = 3;
/// How long an answer serves.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// What the port answers from.
#[derive(Clone, Debug)]
pub(crate) struct Ops {
    readiness: Readiness,
    stopping: CancellationToken,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    ready: bool,
    failures: u32,
    checked: Option<Instant>,
}

impl Seen {
    fn observe(&mut self, ready: bool) -> bool {
        self.failures = if ready { 0 } else { self.failures.saturating_add(1) };
        self.ready = ready || (self.ready && self.failures < FAILURES_MAX);
        self.ready
    }
}

impl Ops {
    pub(crate) fn new(readiness: Readiness, stopping: CancellationToken) -> Ops {
        Ops { readiness, stopping, seen: Arc::default() }
    }

    pub(crate) fn router<H: Health>(&self, health: HealthServer<H>) -> axum::Router {
        Routes::new(health)
            .into_axum_router()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/metrics", get(metrics))
            .route(
                "/buildz",
                get(|| async { concat!("{\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}\n") }),
            )
            .merge(axum::Router::new().route("/readyz", get(readyz)).with_state(self.clone()))
    }

    async fn is_ready(&self) -> bool {
        if self.stopping.is_cancelled() {
            return false;
        }
        let mut seen = self.seen.lock().await;
        if seen.checked.is_some_and(|checked| checked.elapsed() < CHECK_INTERVAL) {
            return seen.ready;
        }
        let ready = tokio::time::timeout(CHECK_TIMEOUT, (self.readiness.0)()).await.unwrap_or(false);
        seen.checked = Some(Instant::now());
        seen.observe(ready)
    }
}

async fn readyz(State(ops): State<Ops>) -> impl IntoResponse {
    match ops.is_ready().await {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
    }
}

async fn metrics() -> impl IntoResponse {
    ([("content-type", "text/plain; version=0.0.4; charset=utf-8")], telemetry::render_metrics())
}

/// Answers until `stop`, HTTP/1 and HTTP/2 alike.
pub(crate) async fn serve(listener: TcpListener, router: axum::Router, stop: CancellationToken) {
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!(%error, "the operations port failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_lost_after_three_failures_in_a_row_and_regained_by_one_success() {
        let mut seen = Seen::default();
        let answers = [false, true, false, false, true, false, false, false, false, true];
        let ready = answers.map(|answer| seen.observe(answer));
        assert_eq!(ready, [false, true, true, true, true, true, true, false, false, true]);
    }
}
