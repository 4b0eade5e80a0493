//! The one way in for submissions: any number of them in one transaction, with the cases that they open and
//! the events that say so.

use std::sync::Arc;

use ambient::Time;
use db::{Tenant, Tx};
use futures::FutureExt;
use proto::rapport::feedback::v1 as pb;
use requests::Caller;
use tonic::Status;
use uuid::Uuid;

use super::Api;
use super::announce::{stepped, submitted};
use super::call::told;
use crate::domain::{Case, Feedback, Refusal, Step, Submission, Taken, feedback_id, take};
use crate::store::{cases, feedback};

/// What became of one submission.
pub(super) type Outcome = Result<Taken, Refusal>;

struct Batch {
    tenant: Tenant,
    given: Vec<Submission>,
    policy: pb::BatchPolicy,
    now: Time,
    traceparent: String,
}

impl Api {
    /// Takes submissions, to the end even if the caller goes away; one outcome each, in their order.
    pub(super) async fn intake(
        &self,
        caller: &Caller,
        given: Vec<Submission>,
        policy: pb::BatchPolicy,
    ) -> Result<Vec<Outcome>, Status> {
        let batch = Arc::new(Batch {
            tenant: caller.tenant.clone(),
            given,
            policy,
            now: self.clock.now(),
            traceparent: telemetry::traceparent().unwrap_or_default(),
        });
        let (db, bell) = (self.db.clone(), self.bell.clone());
        let run = async move {
            let taken = requests::decided(&db, move |tx| {
                let batch = batch.clone();
                async move { batch.take(tx).await }.boxed()
            });
            taken.await.inspect(|_| bell.ring())
        };
        caller.run(run).await?.map_err(|error| told(&error))
    }
}

impl Batch {
    async fn take(&self, tx: &Tx) -> Result<Vec<Outcome>, db::Error> {
        let identity = |given: &Submission| feedback_id(&given.source_id, &given.submission_id);
        let ids: Vec<Uuid> = self.given.iter().map(identity).collect();
        let mut distinct = ids.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let mut known = feedback::find(tx, &self.tenant, &distinct).await?;
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(ids.len());
        for (given, id) in self.given.iter().zip(ids) {
            let stopped = self.policy != pb::BatchPolicy::Continue && outcomes.iter().any(Result::is_err);
            let outcome = match stopped {
                true => Err(Refusal::BatchStopped),
                false => take(given, known.get(&id), self.now),
            };
            if let Ok(Taken { feedback, .. }) = &outcome {
                known.insert(id, feedback.clone());
            }
            outcomes.push(outcome);
        }
        if self.policy == pb::BatchPolicy::AllOrNothing && outcomes.iter().any(Result::is_err) {
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                *outcome = Err(Refusal::BatchStopped);
            }
        }
        self.write(tx, &outcomes).await?;
        Ok(outcomes)
    }

    async fn write(&self, tx: &Tx, outcomes: &[Outcome]) -> Result<(), db::Error> {
        let fresh = || outcomes.iter().flatten().filter(|taken| !taken.replayed);
        let taken: Vec<Feedback> = fresh().map(|taken| taken.feedback.clone()).collect();
        let mut opened: Vec<(Case, Step)> = fresh().filter_map(|taken| taken.opened.clone()).collect();
        if taken.is_empty() {
            return Ok(());
        }
        let machine_now = events::machine_now_micros();
        let (tenant, trace) = (&self.tenant, self.traceparent.as_str());
        let mut announced: Vec<events::Event> =
            taken.iter().map(|feedback| submitted(tenant, feedback, trace, machine_now)).collect();
        for (case, step) in &mut opened {
            announced.push(stepped(tenant, case, step, trace, machine_now));
        }
        feedback::insert(tx, tenant, &taken).await?;
        cases::insert(tx, tenant, &opened).await?;
        events::append(tx, announced).await
    }
}
