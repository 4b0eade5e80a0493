//! One lane: takes what is waiting, commits it once, answers everyone.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::FutureExt;
use opentelemetry::context::FutureExt as _;
use opentelemetry::trace::TraceContextExt;
use telemetry::names::metric;
use telemetry::{KeyValue, SpanKind};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::lanes::{Deps, Failure};
use super::{Answer, Executed, Request, execute, metrics};

/// Commands per transaction at most.
const BATCH_MAX: usize = 256;
/// How often a batch is decided again when the answer to its COMMIT was lost.
const SETTLE_MAX: usize = 3;

#[derive(Debug)]
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) deadline: Instant,
    pub(super) context: telemetry::Context,
    pub(super) answer: oneshot::Sender<Result<Answer, Failure>>,
}

/// Works until `closing`, then answers what is left. A panic outside a decision costs the batch at hand its
/// answers (its callers are told UNAVAILABLE), not the lane.
pub(super) async fn run(
    mut waiting: mpsc::Receiver<Job>,
    deps: Arc<Deps>,
    closing: CancellationToken,
    tasks: TaskTracker,
) {
    let mut jobs = Vec::with_capacity(BATCH_MAX);
    loop {
        let taken = tokio::select! {
            biased;
            taken = waiting.recv_many(&mut jobs, BATCH_MAX) => taken,
            () = closing.cancelled(), if !waiting.is_closed() => {
                waiting.close();
                continue;
            }
        };
        if taken == 0 {
            return;
        }
        let batch = begin(std::mem::take(&mut jobs));
        if std::panic::AssertUnwindSafe(commit(batch, &deps, &tasks)).catch_unwind().await.is_err() {
            tracing::error!("a lane recovered from a panic; its batch was not answered");
        }
    }
}

/// Leaves out what nobody waits for any more.
fn begin(jobs: Vec<Job>) -> Vec<Job> {
    let now = Instant::now();
    let mut batch = Vec::with_capacity(jobs.len());
    for job in jobs {
        if job.deadline <= now {
            let _ = job.answer.send(Err(Failure::DeadlineExceeded));
        } else {
            batch.push(job);
        }
    }
    batch
}

/// Commits the jobs together; if the database refuses their rows, in ever smaller parts.
async fn commit(jobs: Vec<Job>, deps: &Arc<Deps>, tasks: &TaskTracker) {
    let mut parts = VecDeque::from([jobs]);
    while let Some(mut part) = parts.pop_front() {
        if part.is_empty() {
            continue;
        }
        let requests: Arc<Vec<Request>> = Arc::new(part.iter().map(|job| job.request.clone()).collect());
        let as_of = std::time::Instant::now();
        let traced = part.iter().find(|job| job.context.span().span_context().is_sampled());
        let context = traced.map_or_else(telemetry::Context::new, |job| job.context.clone());
        let size = i64::try_from(part.len()).unwrap_or(0);
        let attributes = [KeyValue::new(metric::LEDGER_BATCH_SIZE, size)];
        // Made inside the context: a span hangs on the context that it is made in.
        let work = async {
            telemetry::span("ledger batch", SpanKind::Internal, attributes, decided(deps, &requests)).await
        };
        match work.with_context(context.clone()).await {
            Ok(executed) => answer(part, executed, deps.clone(), as_of, tasks, context),
            Err(error) if error.is_transient() || matches!(error, db::Error::CommitUnknown(_)) => {
                let (error, commands) = (chain(&error), part.len());
                tracing::warn!(error, commands, "a batch could not be committed");
                refuse(part, Failure::Unavailable);
            }
            Err(error) if part.len() == 1 => {
                tracing::error!(error = %chain(&error), "the database refused a command");
                refuse(part, Failure::Internal);
            }
            Err(_) => {
                let rest = part.split_off(part.len() / 2);
                parts.push_front(rest);
                parts.push_front(part);
            }
        }
    }
}

/// Decides and commits. Requests that were recorded before an answer was lost answer from their records.
async fn decided(deps: &Arc<Deps>, requests: &Arc<Vec<Request>>) -> Result<Executed, db::Error> {
    let mut tries = 1;
    loop {
        let outcome = deps
            .db
            .transact(|tx| {
                let (deps, requests) = (deps.clone(), requests.clone());
                async move { execute(tx, &deps.catalogue, &requests, deps.clock.now()).await }.boxed()
            })
            .await;
        match outcome {
            Err(db::Error::CommitUnknown(_)) if tries < SETTLE_MAX => tries += 1,
            outcome => return outcome,
        }
    }
}

/// Publishes, then answers: beside the lane, which goes on with the next batch.
fn answer(
    jobs: Vec<Job>,
    executed: Executed,
    deps: Arc<Deps>,
    as_of: std::time::Instant,
    tasks: &TaskTracker,
    context: telemetry::Context,
) {
    metrics::committed(&executed.answers);
    deps.bell.ring();
    let told = async move {
        deps.publish(&executed, as_of).await;
        for (job, answer) in jobs.into_iter().zip(executed.answers) {
            // A caller that went away learns the outcome by asking again.
            let _ = job.answer.send(Ok(answer));
        }
    };
    tasks.spawn(told.with_context(context));
}

fn refuse(jobs: Vec<Job>, failure: Failure) {
    for job in jobs {
        let _ = job.answer.send(Err(failure));
    }
}

fn chain(error: &db::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
