//! What the service knows, told as the events that it left.

use db::Db;
use events::{Facts, State};
use futures::stream::{self, StreamExt};

use super::announce::{fact_of_step, submitted};
use crate::store::state;

/// The state of the service: every submission, and every step of every case. Order keys are the business
/// times at which they were recorded.
pub fn told(db: &Db) -> State {
    let db = db.clone();
    State::new(move || facts(&db))
}

fn facts(db: &Db) -> Facts {
    let said = state::feedback(db).map(|page| {
        let facts = page?
            .into_iter()
            .map(|(owner, feedback)| submitted(owner.tenant(), &feedback, "", feedback.ingest_time.micros()));
        Ok(facts.collect())
    });
    let worked_on = state::cases(db).map(|page| {
        let page = page?;
        let steps = page.iter().flat_map(|(owner, case, steps)| {
            steps.iter().map(|step| fact_of_step(owner.tenant(), case, step))
        });
        Ok(steps.collect())
    });
    stream::iter([said.boxed(), worked_on.boxed()]).flatten().boxed()
}
