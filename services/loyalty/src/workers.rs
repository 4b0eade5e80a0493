//! Background work: settles wallets that have something due, and rewards those who brought friends, so that
//! rows and events come in time even if nobody asks for them. No balance depends on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Ids, Time};
use chrono::NaiveDate;
use db::Db;
use futures::FutureExt;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::{Command, local_date, start_of_day};
use crate::ledger::{Lanes, Request, is_broken};
use crate::store::unread::{Unread, Which};
use crate::store::{Owner, Tenant, programs, wallets};

/// Wallets settled per look, behind whatever callers have waiting.
const WALLETS_MAX: u64 = 256;
/// How long one round may take before it is given up; the next one goes on.
const ROUND_MAX: Duration = Duration::from_secs(10);
/// How long a wallet is left alone that the database refused to settle: it would stay the one longest due.
const ASIDE: Duration = Duration::from_secs(300);

/// Settles due wallets and rewards due referrals.
#[derive(Clone, Debug)]
pub struct Settler {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) lanes: Arc<Lanes>,
    /// How far it went through the wallets of programs whose tiers are others since a day.
    pub(crate) lifted: Arc<Mutex<HashMap<(Tenant, String), Ahead>>>,
    /// Wallets that are left alone, and until when.
    pub(crate) aside: Arc<Mutex<HashMap<Owner, Instant>>>,
}

/// Wallets of a program that are ahead on the way by the tiers of one version on one day: by others the way
/// begins anew.
#[derive(Clone, Debug)]
pub(crate) struct Ahead {
    version: i64,
    day: NaiveDate,
    unread: Unread,
}

impl Settler {
    /// Settles up to 256 due wallets and up to 64 referrals, and returns how many there were. On several
    /// replicas at once the second one finds nothing left to do. What cannot be settled holds up nobody else.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn run_once(&self) -> Result<usize, db::Error> {
        let aside = self.left_alone().await;
        let looked_at = WALLETS_MAX.saturating_add(aside.len() as u64);
        let due = wallets::due(self.db.reader(), self.clock.now(), looked_at).await?;
        let due = due.into_iter().filter(|owner| !aside.contains_key(owner));
        let due: Vec<Owner> = due.take(WALLETS_MAX as usize).collect();
        let count = due.len();
        let deadline = Instant::now() + ROUND_MAX;
        self.settle(due, deadline).await;
        let rewarded = self.reward_friends(deadline).await?;
        self.lift(deadline).await?;
        Ok(count + rewarded)
    }

    /// True if there was time for all of them. Leaves those alone that are broken.
    async fn settle(&self, owners: Vec<Owner>, deadline: Instant) -> bool {
        let settle = |owner: &Owner| Request::of_service(owner.clone(), Command::Settle);
        let answers = self.lanes.submit_all(owners.iter().map(settle).collect(), deadline).await;
        let until = Instant::now() + ASIDE;
        let broken = owners.into_iter().zip(&answers).filter(|(_, answer)| is_broken(answer));
        self.aside.lock().await.extend(broken.map(|(owner, _)| (owner, until)));
        answers.iter().all(|answer| answer.is_ok() || is_broken(answer))
    }

    async fn left_alone(&self) -> HashMap<Owner, Instant> {
        let mut aside = self.aside.lock().await;
        aside.retain(|_, until| *until > Instant::now());
        aside.clone()
    }

    /// Settles those who rise, or are warned at another time, because the tiers of their program are others
    /// since a day: nothing of their own falls due by that.
    async fn lift(&self, deadline: Instant) -> Result<(), db::Error> {
        for (tenant, program) in programs::with_new_tiers(self.db.reader(), self.clock.now()).await? {
            let key = (tenant.clone(), program.id.clone());
            let today = local_date(program.time_zone, self.clock.now());
            let ahead = self.lifted.lock().await.get(&key).cloned();
            let same = |ahead: &Ahead| (ahead.version, ahead.day) == (program.version, today);
            let ahead = ahead.filter(same).unwrap_or_else(|| {
                let which = Which::Reaching(program.ladder.lowest_step());
                let unread = Unread::all(&tenant, &program.id, which);
                Ahead { version: program.version, day: today, unread }
            });
            if !self.go_through(&key, ahead, deadline).await? {
                continue;
            }
            let next = program.ladder.next_change(today);
            let next = next.map_or(Time::NEVER, |day| start_of_day(program.time_zone, day));
            let hold = self.db.transact(move |tx| {
                let (tenant, program) = (tenant.clone(), program.clone());
                async move { programs::tiers_hold(tx, &tenant, &program, next).await }.boxed()
            });
            hold.await?;
            self.lifted.lock().await.remove(&key);
        }
        Ok(())
    }

    /// Settles wallets of a program, page after page; true once there are no more.
    async fn go_through(
        &self,
        key: &(Tenant, String),
        mut ahead: Ahead,
        deadline: Instant,
    ) -> Result<bool, db::Error> {
        while Instant::now() < deadline {
            let found = ahead.unread.next(self.db.reader(), WALLETS_MAX).await?;
            if found.is_empty() {
                return Ok(true);
            }
            let owners = found.into_iter().map(|(owner, _)| owner).collect();
            if !self.settle(owners, deadline).await {
                return Ok(false);
            }
            self.lifted.lock().await.insert(key.clone(), ahead.clone());
        }
        Ok(false)
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
