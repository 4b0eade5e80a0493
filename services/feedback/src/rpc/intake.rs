//! The one way in for submissions: those of concurrent callers in one transaction, with the cases that they
//! open and the events that say so.
//!
//! A lane takes what is waiting and commits it once; while it commits, the next callers gather. Under load a
//! commit is shared by many, alone by none.

use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use ambient::{Clock, Time};
use db::{Db, Owner, Tenant, Tx};
use events::Bell;
use futures::FutureExt;
use opentelemetry::context::FutureExt as _;
use opentelemetry::trace::TraceContextExt;
use proto::rapport::feedback::v1 as pb;
use requests::Caller;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;

use super::announce::{stepped, submitted};
use super::call::told;
use crate::domain::{Case, Feedback, Refusal, Step, Submission, Taken, feedback_id, take};
use crate::store::{cases, feedback};

/// Calls waiting for the lane at most; further callers wait to get in.
const WAITING_MAX: usize = 4_096;
/// Calls in one transaction at most.
const CALLS_MAX: usize = 128;
/// Submissions in one transaction, unless one call brings more.
const SUBMISSIONS_MAX: usize = 1_000;

/// What became of one submission.
pub(super) type Outcome = Result<Taken, Refusal>;

/// The lane of this process. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    calls: mpsc::Sender<Job>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

/// What the lane works with.
#[derive(Clone, Debug)]
pub(crate) struct Deps {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) bell: Bell,
}

#[derive(Debug)]
struct Job {
    call: Arc<Call>,
    context: telemetry::Context,
    answer: oneshot::Sender<Result<Vec<Outcome>, Status>>,
}

/// The submissions of one caller.
#[derive(Debug)]
struct Call {
    tenant: Tenant,
    given: Vec<Submission>,
    policy: pb::BatchPolicy,
    traceparent: String,
}

impl Intake {
    /// Starts the lane.
    pub(crate) fn start(deps: Deps) -> Intake {
        let (calls, waiting) = mpsc::channel(WAITING_MAX);
        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(run(deps, waiting, closing.clone()));
        Intake { calls, closing, tasks }
    }

    /// Takes submissions, to the end even if the caller goes away; one outcome each, in their order.
    pub(super) async fn take(
        &self,
        caller: &Caller,
        given: Vec<Submission>,
        policy: pb::BatchPolicy,
    ) -> Result<Vec<Outcome>, Status> {
        let traceparent = telemetry::traceparent().unwrap_or_default();
        let call = Arc::new(Call { tenant: caller.tenant.clone(), given, policy, traceparent });
        let (answer, answered) = oneshot::channel();
        let job = Job { call, context: telemetry::Context::current(), answer };
        let calls = self.calls.clone();
        let work = async move {
            calls.send(job).await.ok()?;
            answered.await.ok()
        };
        let unanswered = || rpc::error::internal_because("the lane of submissions gave no answer");
        caller.run(work).await?.ok_or_else(unanswered)?
    }

    /// Answers what is waiting, takes nothing further, and ends.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Works until `closing`, then answers what is left. A panic costs the calls at hand their answers, not the
/// lane.
async fn run(deps: Deps, mut waiting: mpsc::Receiver<Job>, closing: CancellationToken) {
    let mut jobs = Vec::with_capacity(CALLS_MAX);
    loop {
        let taken = tokio::select! {
            biased;
            taken = waiting.recv_many(&mut jobs, CALLS_MAX) => taken,
            () = closing.cancelled(), if !waiting.is_closed() => {
                waiting.close();
                continue;
            }
        };
        if taken == 0 {
            return;
        }
        for part in parts(std::mem::take(&mut jobs)) {
            if AssertUnwindSafe(answer(&deps, part)).catch_unwind().await.is_err() {
                tracing::error!(
                    "the lane of submissions recovered from a panic; its calls were not answered"
                );
            }
        }
    }
}

/// Jobs in their order, each part with about as many submissions as a transaction takes.
fn parts(jobs: Vec<Job>) -> Vec<Vec<Job>> {
    let (mut parts, mut room) = (Vec::new(), 0);
    for job in jobs {
        let size = job.call.given.len();
        if size > room {
            parts.push(Vec::new());
            room = SUBMISSIONS_MAX;
        }
        room = room.saturating_sub(size);
        if let Some(part) = parts.last_mut() {
            part.push(job);
        }
    }
    parts
}

/// Commits the jobs together; if the database refuses their rows, one by one.
async fn answer(deps: &Deps, jobs: Vec<Job>) {
    let calls = jobs.iter().map(|job| job.call.clone()).collect();
    let traced = jobs.iter().find(|job| job.context.span().span_context().is_sampled());
    let context = traced.map_or_else(telemetry::Context::new, |job| job.context.clone());
    match commit(deps, calls).with_context(context).await {
        Ok(outcomes) => {
            deps.bell.ring();
            for (job, outcomes) in jobs.into_iter().zip(outcomes) {
                // A caller that went away learns the outcome by sending the same again.
                let _ = job.answer.send(Ok(outcomes));
            }
        }
        Err(error) if jobs.len() == 1 || error.is_transient() => {
            let status = told(&error);
            for job in jobs {
                let _ = job.answer.send(Err(status.clone()));
            }
        }
        Err(_) => {
            for job in jobs {
                Box::pin(answer(deps, vec![job])).await;
            }
        }
    }
}

async fn commit(deps: &Deps, calls: Vec<Arc<Call>>) -> Result<Vec<Vec<Outcome>>, db::Error> {
    let batch = Arc::new(Batch { calls, now: deps.clock.now() });
    requests::decided(&deps.db, move |tx| {
        let batch = batch.clone();
        async move { batch.take(tx).await }.boxed()
    })
    .await
}

struct Batch {
    calls: Vec<Arc<Call>>,
    now: Time,
}

/// What is to be written.
#[derive(Default)]
struct Written {
    taken: Vec<(Owner, Feedback)>,
    opened: Vec<(Owner, Case, Step)>,
    events: Vec<events::Event>,
}

impl Batch {
    async fn take(&self, tx: &Tx) -> Result<Vec<Vec<Outcome>>, db::Error> {
        let owners: BTreeSet<Owner> = self.calls.iter().flat_map(|call| call.owners()).collect();
        let owners: Vec<Owner> = owners.into_iter().collect();
        let mut known = feedback::find(tx, &owners).await?;
        let mut written = Written::default();
        let outcomes = self.calls.iter().map(|call| {
            let outcomes = call.decide(&mut known, self.now);
            written.add(call, &outcomes);
            outcomes
        });
        let outcomes = outcomes.collect();
        written.write(tx).await?;
        Ok(outcomes)
    }
}

impl Call {
    fn owners(&self) -> impl Iterator<Item = Owner> {
        let id = |given: &Submission| feedback_id(&given.source_id, &given.submission_id);
        self.given.iter().map(move |given| Owner::new(&self.tenant, id(given)))
    }

    /// Decides one submission after the other on what is known, which grows by what is taken.
    fn decide(&self, known: &mut HashMap<Owner, Feedback>, now: Time) -> Vec<Outcome> {
        let mut fresh = Vec::new();
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(self.given.len());
        for (given, owner) in self.given.iter().zip(self.owners()) {
            let stopped = self.policy != pb::BatchPolicy::Continue && outcomes.iter().any(Result::is_err);
            let outcome = match stopped {
                true => Err(Refusal::BatchStopped),
                false => take(given, known.get(&owner), now),
            };
            if let Ok(Taken { feedback, replayed: false, .. }) = &outcome {
                known.insert(owner.clone(), feedback.clone());
                fresh.push(owner);
            }
            outcomes.push(outcome);
        }
        if self.policy == pb::BatchPolicy::AllOrNothing && outcomes.iter().any(Result::is_err) {
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                *outcome = Err(Refusal::BatchStopped);
            }
            fresh.iter().for_each(|owner| drop(known.remove(owner)));
        }
        outcomes
    }
}

impl Written {
    fn add(&mut self, call: &Call, outcomes: &[Outcome]) {
        let (tenant, trace) = (&call.tenant, call.traceparent.as_str());
        let machine_now = events::machine_now_micros();
        for taken in outcomes.iter().flatten().filter(|taken| !taken.replayed) {
            self.events.push(submitted(tenant, &taken.feedback, trace, machine_now));
            self.taken.push((Owner::new(tenant, taken.feedback.id), taken.feedback.clone()));
            if let Some((mut case, step)) = taken.opened.clone() {
                self.events.push(stepped(tenant, &mut case, &step, trace, machine_now));
                self.opened.push((Owner::new(tenant, case.id), case, step));
            }
        }
    }

    async fn write(self, tx: &Tx) -> Result<(), db::Error> {
        if self.taken.is_empty() {
            return Ok(());
        }
        feedback::insert(tx, &self.taken).await?;
        cases::insert(tx, &self.opened).await?;
        events::append(tx, self.events).await
    }
}
