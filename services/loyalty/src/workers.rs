//! Background work: settles wallets that have something due, and rewards those who brought friends, so that
//! rows and events come in time even if nobody asks for them. No balance depends on it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Ids};
use chrono::NaiveDate;
use db::Db;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::Command;
use crate::domain::local_date;
use crate::ledger::{Lanes, Request};
use crate::store::{Owner, Tenant, programs, wallets};

/// Wallets settled per look, behind whatever callers have waiting.
const WALLETS_MAX: u64 = 256;
/// How long one round may take before it is given up; the next one goes on.
const ROUND_MAX: Duration = Duration::from_secs(10);

/// Settles due wallets and rewards due referrals.
#[derive(Clone, Debug)]
pub struct Settler {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) lanes: Arc<Lanes>,
    /// Programs whose members rose by the ladder that holds since a day.
    pub(crate) lifted: Arc<Mutex<HashSet<(Tenant, String, NaiveDate)>>>,
}

impl Settler {
    /// Settles up to 256 due wallets and up to 64 referrals, and returns how many there were. On several
    /// replicas at once the second one finds nothing left to do.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn run_once(&self) -> Result<usize, db::Error> {
        let due = wallets::due(self.db.reader(), self.clock.now(), WALLETS_MAX).await?;
        let count = due.len();
        let deadline = Instant::now() + ROUND_MAX;
        self.settle(due, deadline).await;
        self.lift(deadline).await?;
        Ok(count + self.reward_friends(deadline).await?)
    }

    async fn settle(&self, owners: Vec<Owner>, deadline: Instant) {
        let settle = |owner| Request::of_service(owner, Command::Settle);
        self.lanes.submit_all(owners.into_iter().map(settle).collect(), deadline).await;
    }

    /// Settles those who rise because the ladder of their program is another one since a day: nothing of
    /// their own falls due by that.
    async fn lift(&self, deadline: Instant) -> Result<(), db::Error> {
        for (tenant, program) in programs::with_changed_tiers(self.db.reader()).await? {
            let today = local_date(program.time_zone, self.clock.now());
            let mut held = program.ladder.before.iter().rev().map(|earlier| earlier.end);
            let Some(since) = held.find(|end| *end <= today) else { continue };
            let key = (tenant.clone(), program.id.clone(), since);
            if self.lifted.lock().await.contains(&key) {
                continue;
            }
            let (steps, mut last) = (program.ladder.steps(today), None);
            while Instant::now() < deadline {
                let found =
                    wallets::below_their_tier(self.db.reader(), &tenant, &program.id, &steps, WALLETS_MAX)
                        .await?;
                // Whoever is there twice in a row stays, for a reason of its own.
                if found.is_empty() || found.last() == last.as_ref() {
                    self.lifted.lock().await.insert(key);
                    break;
                }
                last = found.last().cloned();
                self.settle(found, deadline).await;
            }
        }
        Ok(())
    }

    /// Settles what is due every `pause` of machine time until `stop`.
    pub(crate) async fn run(self, pause: Duration, stop: CancellationToken) {
        let mut full = false;
        loop {
            let pause = if full { Duration::ZERO } else { pause };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            full = match self.run_once().await {
                Ok(count) => count as u64 >= WALLETS_MAX,
                Err(error) => {
                    tracing::warn!(%error, "what is due could not be settled; trying again");
                    false
                }
            };
        }
    }
}
