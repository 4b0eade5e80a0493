//! Rewards friends and those who brought them, each once, however often a round is cut short.
//!
//! Both are recorded to have done a REFERRAL when the reward was due, whenever a worker comes to it, under an
//! external id that no member has twice; only then the referral is marked as rewarded. Who turned out to be
//! one customer brought nobody.

use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use requests::wire::timestamp;
use rpc::Problem;
use tokio::time::Instant;
use uuid::Uuid;

use crate::domain::{ActivityState, Command};
use crate::ledger::{Answer, Failure, Request, is_broken};
use crate::rpc::record_activity;
use crate::rpc::refusal::DOMAIN;
use crate::store::referrals::{self, Referral};
use crate::store::wallets::Versioned;
use crate::store::{Owner, activities, programs, wallets};
use crate::workers::Settler;

/// Referrals rewarded per look.
const REFERRALS_MAX: u64 = 64;
/// How much later it is tried again while one of both may not act, or not any more for now.
const AGAIN_MICROS: i64 = 86_400_000_000;
/// How long after its beginning a referral waits for room under a cap: caps start anew once a year at least,
/// or never.
const CAPPED_MICROS: i64 = 400 * AGAIN_MICROS;
/// Namespace of the request ids.
const REQUESTS: Uuid = Uuid::from_u128(0x9d2c_61f4_0b7e_5a38_8c15_e27f_4a90_d36b);

/// What became of one side.
enum Side {
    Done,
    Later,
    /// It is beyond a cap, which may have room for it some day.
    Capped,
    Unknown,
}

impl Settler {
    /// Rewards what is due; returns how many of them are not due any more.
    pub(crate) async fn reward_friends(&self, deadline: Instant) -> Result<usize, db::Error> {
        let due = referrals::due(self.db.reader(), self.clock.now(), REFERRALS_MAX).await?;
        let mut settled = 0;
        for referral in due {
            settled += usize::from(self.reward(referral, deadline).await?);
        }
        Ok(settled)
    }

    async fn reward(&self, referral: Referral, deadline: Instant) -> Result<bool, db::Error> {
        let referrer = Owner::new(referral.friend.tenant(), referral.referrer_id);
        if !self.stands(&referral, referrer.clone()).await? {
            let command = Command::ReopenReferral(referral.activity_id);
            let reopen = Request::of_service(referral.friend.clone(), command);
            // One that cannot be opened again must not be due before others for ever.
            return match side(self.lanes.submit(reopen, deadline).await) {
                Side::Unknown => Ok(false),
                Side::Done | Side::Later | Side::Capped => self.finish(referral, true).await,
            };
        }
        let sides = [("friend", &referral.friend), ("referrer", &referrer)];
        let requests = sides.map(|(role, owner)| self.request(&referral, role, owner)).to_vec();
        let answers = self.lanes.submit_all(requests, deadline).await;
        let sides: Vec<Side> = answers.into_iter().map(side).collect();
        if sides.iter().any(|side| matches!(side, Side::Unknown)) {
            return Ok(false);
        }
        let waits = self.clock.now() < referral.create_time.plus_micros(CAPPED_MICROS);
        let later = sides.iter().any(|side| match side {
            Side::Later => true,
            Side::Capped => waits,
            Side::Done | Side::Unknown => false,
        });
        self.finish(referral, later).await
    }

    /// Writes that both were rewarded, or that it is tried again later.
    async fn finish(&self, referral: Referral, later: bool) -> Result<bool, db::Error> {
        let again = self.clock.now().plus_micros(AGAIN_MICROS);
        self.db
            .transact(move |tx| {
                let referral = referral.clone();
                async move {
                    if later {
                        referrals::postpone(tx, &referral, again).await
                    } else {
                        referrals::reward(tx, &referral).await
                    }
                }
                .boxed()
            })
            .await?;
        Ok(true)
    }

    /// Enough of what qualified stands, and friend and referrer are two.
    async fn stands(&self, referral: &Referral, referrer: Owner) -> Result<bool, db::Error> {
        let (friend, activity_id) = (referral.friend.clone(), referral.activity_id);
        // One look: both may be on the way to other wallets.
        let stands = self.db.snapshot(move |tx| {
            let (friend, referrer) = (friend.clone(), referrer.clone());
            async move {
                let [friend, referrer] =
                    [wallets::way(tx, &friend).await?, wallets::way(tx, &referrer).await?];
                if customer(&friend).is_some_and(|one| customer(&referrer) == Some(one)) {
                    return Ok(false);
                }
                let Some((owner, found)) = friend.into_iter().next_back() else { return Ok(false) };
                let activities = activities::find(tx, &[(owner.clone(), activity_id)]).await?;
                let Some(activity) = activities.into_values().next() else { return Ok(false) };
                if activity.state != ActivityState::PartlyReversed {
                    return Ok(activity.still_rewards(None));
                }
                let program = programs::find(tx, owner.tenant(), &found.wallet.program_id).await?;
                Ok(activity.still_rewards(program.as_ref().and_then(|program| program.referral.as_ref())))
            }
            .boxed()
        });
        stands.await
    }

    fn request(&self, referral: &Referral, role: &str, owner: &Owner) -> Request {
        let friend = referral.friend.id();
        // A refusal is remembered: what is tried again later is another request.
        let name = format!("{friend} {role} {}", referral.due_time.micros());
        let request_id = Uuid::new_v5(&REQUESTS, name.as_bytes());
        let activity = pb::Activity {
            r#type: pb::ActivityType::Referral.into(),
            external_id: format!("referral:{friend}"),
            occurred_time: Some(timestamp(referral.due_time)),
            attributes: [("role".to_owned(), role.to_owned())].into(),
            ..pb::Activity::default()
        };
        let activity_id = self.ids.v7(self.clock.now());
        let (command, call) = record_activity::of_service(activity_id, (request_id, owner.id()), activity);
        Request { call: Some(call), ..Request::of_service(owner.clone(), command) }
    }
}

/// The member who stands for all that were merged into it, given the way to the wallet.
fn customer(way: &[(Owner, Versioned)]) -> Option<&Owner> {
    way.iter().rev().find(|(_, found)| !found.wallet.shared).map(|(owner, _)| owner)
}

/// Whoever has left, was rewarded before, or waits for a review, is done with.
fn side(answer: Result<Answer, Failure>) -> Side {
    // What is broken stays so for now, and holds up nobody else.
    if is_broken(&answer) {
        return Side::Later;
    }
    let given = match answer {
        Ok(Answer::Given(given)) => given,
        Ok(Answer::NoWallet) => return Side::Done,
        Ok(Answer::Again(_) | Answer::NotDone(_) | Answer::Panicked) | Err(_) => return Side::Unknown,
    };
    let refused = requests::response::<pb::RecordActivityResponse>(DOMAIN, given).err();
    match refused.map(|status| Problem::from_status(&status).reason).as_deref() {
        Some("MEMBER_SUSPENDED" | "VELOCITY_EXCEEDED") => Side::Later,
        Some("LIMIT_REACHED") => Side::Capped,
        _ => Side::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_is_put_off_and_what_is_not_known_is_asked_again() {
        assert!(matches!(side(Ok(Answer::Panicked)), Side::Later));
        assert!(matches!(side(Err(Failure::Internal)), Side::Later));
        assert!(matches!(side(Err(Failure::Unavailable)), Side::Unknown));
        assert!(matches!(side(Err(Failure::DeadlineExceeded)), Side::Unknown));
        assert!(matches!(side(Ok(Answer::NoWallet)), Side::Done));
    }
}
