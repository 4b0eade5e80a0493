//! Background work: adds what was posted to the sums of liability reports, so that a report has little left
//! to add. No figure depends on it.

use std::ops::Range;
use std::time::Duration;

use ambient::{Clock, Time};
use db::Db;
use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::store::liability::{self, Scope};
use crate::store::liability_report;

/// A report adds fewer postings of a program in no time.
const POSTINGS: i64 = 10_000;

/// Adds what was posted to the sums of all programs. Several replicas may: what one has added, another one
/// does not.
#[derive(Clone, Debug)]
pub struct RollUp {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
}

impl RollUp {
    /// Adds what was posted in programs in which that are so many postings or more, and returns how many
    /// programs these were.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn run_once(&self, postings: i64) -> Result<usize, db::Error> {
        let waiting = self.db.scan(move |tx| liability_report::waiting(tx, postings).boxed()).await?;
        let count = waiting.len();
        for (scope, parts) in waiting {
            if let Err(error) = add(&self.db, &scope, parts, self.clock.now()).await {
                let program = &scope.program_id;
                tracing::warn!(%error, program, "what was posted could not be summed up; trying again");
            }
        }
        Ok(count)
    }

    /// Adds what was posted every `pause` of machine time until `stop`.
    pub(crate) async fn run(self, pause: Duration, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            if let Err(error) = self.run_once(POSTINGS).await {
                tracing::warn!(%error, "it could not be found what is to be summed up; trying again");
            }
        }
    }
}

/// Adds what was posted to the sums of a program, part by part.
///
/// # Errors
/// That the database refused, or `Damaged` for postings that cannot be summed up.
pub(crate) async fn add(db: &Db, scope: &Scope, parts: Vec<Range<i32>>, now: Time) -> Result<(), db::Error> {
    for part in parts {
        let scope = scope.clone();
        let added = requests::decided(db, move |tx| {
            let (scope, part) = (scope.clone(), part.clone());
            async move { liability::roll_up(tx, &scope, now, part).await }.boxed()
        });
        added.await?;
    }
    Ok(())
}
