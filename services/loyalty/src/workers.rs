//! Background work: settles wallets that have something due, and rewards those who brought friends, so that
//! rows and events come in time even if nobody asks for them. No balance depends on it.

use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Ids};
use db::Db;
use tokio_util::sync::CancellationToken;

use crate::domain::Command;
use crate::ledger::{Lanes, Request};
use crate::store::wallets;

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
        let settle = |owner| Request::of_service(owner, Command::Settle);
        let deadline = tokio::time::Instant::now() + ROUND_MAX;
        self.lanes.submit_all(due.into_iter().map(settle).collect(), deadline).await;
        Ok(count + self.reward_friends(deadline).await?)
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
