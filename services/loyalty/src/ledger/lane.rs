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
use super::route::Ways;
use super::{Answer, Executed, Request, Together, execute, metrics};

/// Commands per transaction at most.
const BATCH_MAX: usize = 256;
/// How often a batch is decided when the answer to its COMMIT is lost, or a row is there already.
const SETTLE_MAX: usize = 4;
/// How often a command is sent on before its caller is told to try again.
const SENT_ON_MAX: usize = 1_000;

/// Requests with one answer each; several if they are sent together.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) requests: Vec<Request>,
    pub(super) together: Option<Together>,
    pub(super) deadline: Instant,
    pub(super) context: telemetry::Context,
    pub(super) answer: oneshot::Sender<Result<Vec<Answer>, Failure>>,
    /// How often its wallets turned out to be others.
    pub(super) sent_on: usize,
}

/// What a lane works with.
pub(super) struct Lane {
    pub(super) deps: Arc<Deps>,
    pub(super) ways: Ways,
    pub(super) tasks: TaskTracker,
}

impl Lane {
    /// Works until `closing`, then answers what is left. A panic outside a decision costs the batch at hand
    /// its answers (its callers are told UNAVAILABLE), not the lane.
    pub(super) async fn run(self, mut waiting: mpsc::Receiver<Job>, closing: CancellationToken) {
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
            if std::panic::AssertUnwindSafe(self.commit(batch)).catch_unwind().await.is_err() {
                tracing::error!("a lane recovered from a panic; its batch was not answered");
            }
        }
    }

    /// Commits the jobs together; if the database refuses their rows, in ever smaller parts. What turns out
    /// to be for another wallet is decided again after the others.
    async fn commit(&self, jobs: Vec<Job>) {
        let mut parts = split(jobs);
        while let Some(mut part) = parts.pop_front() {
            let together = part.first().and_then(|job| job.together);
            let requests: Vec<Request> = part.iter().flat_map(|job| job.requests.iter().cloned()).collect();
            let as_of = std::time::Instant::now();
            let traced = part.iter().find(|job| job.context.span().span_context().is_sampled());
            let context = traced.map_or_else(telemetry::Context::new, |job| job.context.clone());
            let size = i64::try_from(requests.len()).unwrap_or(0);
            let attributes = [KeyValue::new(metric::LEDGER_BATCH_SIZE, size)];
            // Made inside the context: a span hangs on the context that it is made in.
            let work = async {
                let decided = self.decided(Arc::new(requests), together);
                telemetry::span("ledger batch", SpanKind::Internal, attributes, decided).await
            };
            match work.with_context(context.clone()).await {
                Ok(executed) => parts.extend(split(begin(self.answer(part, executed, as_of, context)))),
                Err(error) if error.is_transient() || matches!(error, db::Error::CommitUnknown(_)) => {
                    let commands = part.len();
                    tracing::warn!(%error, commands, "a batch could not be committed");
                    refuse(part, Failure::Unavailable);
                }
                Err(error) if part.len() == 1 => {
                    tracing::error!(%error, "the database refused a command");
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

    /// Decides and commits. Requests that were recorded meanwhile, by this batch before an answer was lost or
    /// by another process, answer from their records.
    async fn decided(
        &self,
        requests: Arc<Vec<Request>>,
        together: Option<Together>,
    ) -> Result<Executed, db::Error> {
        let deps = &self.deps;
        let mut tries = 1;
        loop {
            let outcome = deps
                .db
                .transact(|tx| {
                    let (deps, requests) = (deps.clone(), requests.clone());
                    async move { execute(tx, &deps.catalogue, &requests, together, deps.clock.now()).await }
                        .boxed()
                })
                .await;
            match outcome {
                Err(db::Error::CommitUnknown(_) | db::Error::Constraint(_)) if tries < SETTLE_MAX => {
                    tries += 1
                }
                outcome => return outcome,
            }
        }
    }

    /// Publishes, then answers: beside the lane, which goes on. Returns what is not answered yet.
    fn answer(
        &self,
        jobs: Vec<Job>,
        executed: Executed,
        as_of: std::time::Instant,
        context: telemetry::Context,
    ) -> Vec<Job> {
        metrics::committed(&executed.answers);
        self.deps.bell.ring();
        let Executed { answers, wallets } = executed;
        let (mut again, mut answered) = (Vec::new(), Vec::with_capacity(jobs.len()));
        let mut answers = answers.into_iter();
        for mut job in jobs {
            let answers: Vec<Answer> = answers.by_ref().take(job.requests.len()).collect();
            if !answers.iter().any(|answer| matches!(answer, Answer::Again(_))) {
                answered.push((job, answers));
            } else if job.sent_on == SENT_ON_MAX {
                refuse(vec![job], Failure::Unavailable);
            } else {
                job.send_on(answers, &self.ways);
                again.push(job);
            }
        }
        let deps = self.deps.clone();
        let told = async move {
            deps.publish(&wallets, as_of).await;
            for (job, answers) in answered {
                // A caller that went away learns the outcome by asking again.
                let _ = job.answer.send(Ok(answers));
            }
        };
        self.tasks.spawn(told.with_context(context));
        again
    }
}

impl Job {
    /// Sends it to the wallets that it turned out to be about.
    fn send_on(&mut self, answers: Vec<Answer>, ways: &Ways) {
        self.sent_on += 1;
        for (request, answer) in self.requests.iter_mut().zip(answers) {
            if let Answer::Again(route) = answer {
                route.remember(request, ways);
                request.route = route;
            }
        }
    }
}

/// What is committed at once: jobs in their order, but those sent together on their own.
fn split(jobs: Vec<Job>) -> VecDeque<Vec<Job>> {
    let mut parts: VecDeque<Vec<Job>> = VecDeque::new();
    for job in jobs {
        let joins = |part: &&mut Vec<Job>| part.iter().all(|other| other.together.is_none());
        match parts.back_mut().filter(joins) {
            Some(part) if job.together.is_none() => part.push(job),
            _ => parts.push_back(vec![job]),
        }
    }
    parts
}

/// Leaves out what nobody waits for any more.
fn begin(jobs: Vec<Job>) -> Vec<Job> {
    let now = Instant::now();
    let mut batch = Vec::with_capacity(jobs.len());
    for job in jobs {
        if job.deadline <= now {
            let _ = job.answer.send(Err(Failure::DeadlineExceeded));
        } else if !job.answer.is_closed() {
            batch.push(job);
        }
    }
    batch
}

fn refuse(jobs: Vec<Job>, failure: Failure) {
    for job in jobs {
        let _ = job.answer.send(Err(failure));
    }
}
