//! Commands: what can be done to a wallet, and what of its rows each needs to be decided.

use ambient::Time;
use uuid::Uuid;

use super::{
    Activity, ActivityRef, AdjustPoints, CancelActivity, CaptureRedemption, ChangeState, ConfirmActivity,
    CreateRedemption, ExtendExpiry, ExtendHold, HouseholdRole, MemberState, MoveMember, Points, Program,
    RecordActivity, RedeemReward, RefundRedemption, ReinstatePoints, ReverseActivity, Reward, State,
    TransferPoints, VoidRedemption, Wallet, warn_expiry,
};

/// What can be done to a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Apply what is due; nothing else.
    Settle,
    /// Record an activity.
    RecordActivity(RecordActivity),
    /// Release an activity's pending points.
    ConfirmActivity(ConfirmActivity),
    /// Take an activity back while its points are pending.
    CancelActivity(CancelActivity),
    /// Take an activity back, all of it or in part.
    ReverseActivity(ReverseActivity),
    /// Give or take points by hand.
    AdjustPoints(AdjustPoints),
    /// Let points live longer.
    ExtendExpiry(ExtendExpiry),
    /// Give back points that expired.
    ReinstatePoints(ReinstatePoints),
    /// Spend points on a reward.
    RedeemReward(RedeemReward),
    /// Reserve points for a reward.
    CreateRedemption(CreateRedemption),
    /// Spend points that are reserved.
    CaptureRedemption(CaptureRedemption),
    /// Give points back that are reserved.
    VoidRedemption(VoidRedemption),
    /// Reserve points for longer.
    ExtendHold(ExtendHold),
    /// Give points back that were spent.
    RefundRedemption(RefundRedemption),
    /// Let the member act, or not, or leave.
    ChangeState(ChangeState),
    /// Give points to another member.
    TransferPoints(TransferPoints),
    /// Move what belongs to a member to another wallet, or back.
    MoveMember(MoveMember),
    /// Change what a member may do in its household.
    ChangeRole(HouseholdRole),
    /// This activity, which qualified for the reward of a referral, was taken back.
    ReopenReferral(Uuid),
    /// Never do what waits for a review.
    RejectReview,
}

impl Command {
    /// The version that the wallet must have.
    pub(super) fn expected_version(&self) -> Option<i64> {
        match self {
            Command::AdjustPoints(adjust) => adjust.expected_version,
            Command::TransferPoints(transfer) => transfer.expected_version,
            _ => None,
        }
    }

    /// Up to which expiry this command needs lots at `now`, and the first one that lives longer, beyond those
    /// that cover its debit; `None` if it needs none.
    pub fn lots_until(&self, state: &State, program: &Program, now: Time) -> Option<Time> {
        let now = now.max(state.wallet.now);
        match self {
            Command::Settle if warn_expiry::is_due(state, now) => {
                Some(warn_expiry::covered_until(program.time_zone, now).max(now))
            }
            Command::ExtendExpiry(extend) => Some(extend.expiring_before.max(now)),
            Command::ChangeState(change) if change.to.is_over() => Some(Time::NEVER),
            // Lots that live longer by it may be those that expire first.
            Command::MoveMember(_) | Command::ReinstatePoints(_) => Some(Time::NEVER),
            // What it names may be made by a request before it, and is not known yet.
            Command::ConfirmActivity(_)
            | Command::CancelActivity(_)
            | Command::ReverseActivity(_)
            | Command::CaptureRedemption(_)
            | Command::VoidRedemption(_)
            | Command::ExtendHold(_)
            | Command::RefundRedemption(_) => Some(now),
            Command::Settle
            | Command::RecordActivity(_)
            | Command::AdjustPoints(_)
            | Command::RedeemReward(_)
            | Command::CreateRedemption(_)
            | Command::ChangeState(_)
            | Command::TransferPoints(_)
            | Command::ChangeRole(_)
            | Command::ReopenReferral(_)
            | Command::RejectReview => state.has_due(now).then_some(now),
        }
    }

    /// From which expiry on this command needs lots whose points expired; `None` if it needs none.
    pub fn expired_since(&self) -> Option<Time> {
        match self {
            Command::ReinstatePoints(reinstate) => Some(reinstate.expired_since),
            _ => None,
        }
    }

    /// True if this command may look back behind the wallet's standing among its tiers, given the last moment
    /// up to which commands before it may bring that.
    pub fn needs_past(&self, wallet: &Wallet, program: &Program, latest: Time, now: Time) -> bool {
        let now = now.max(wallet.now);
        let rolling = !program.ladder.policy.window.is_period();
        let tier_due = wallet.tier_due(program) <= now;
        let drops = |at| rolling && wallet.dropped_by(program, at, now);
        match self {
            Command::ReverseActivity(_) | Command::CancelActivity(_) | Command::MoveMember(_) => true,
            Command::RecordActivity(record) => {
                record.occurred_time.is_some_and(|at| {
                    let goes_on = at >= latest.max(wallet.tier_goes_on(program));
                    at < now && (!goes_on || tier_due || drops(at))
                }) || (rolling && tier_due)
            }
            _ => rolling && tier_due,
        }
    }

    /// The activity of before that this command names.
    pub fn activity(&self) -> Option<&ActivityRef> {
        match self {
            Command::ConfirmActivity(confirm) => Some(&confirm.activity),
            Command::CancelActivity(cancel) => Some(&cancel.activity),
            Command::ReverseActivity(reverse) => Some(&reverse.activity),
            Command::Settle
            | Command::RecordActivity(_)
            | Command::AdjustPoints(_)
            | Command::ExtendExpiry(_)
            | Command::ReinstatePoints(_)
            | Command::RedeemReward(_)
            | Command::CreateRedemption(_)
            | Command::CaptureRedemption(_)
            | Command::VoidRedemption(_)
            | Command::ExtendHold(_)
            | Command::RefundRedemption(_)
            | Command::ChangeState(_)
            | Command::TransferPoints(_)
            | Command::MoveMember(_)
            | Command::ChangeRole(_)
            | Command::ReopenReferral(_)
            | Command::RejectReview => None,
        }
    }

    /// The redemption of before that this command names.
    pub fn redemption(&self) -> Option<Uuid> {
        match self {
            Command::CaptureRedemption(capture) => Some(capture.redemption_id),
            Command::VoidRedemption(void) => Some(void.redemption_id),
            Command::ExtendHold(extend) => Some(extend.redemption_id),
            Command::RefundRedemption(refund) => Some(refund.redemption_id),
            _ => None,
        }
    }

    /// The units of a reward that this command takes.
    pub fn redeems(&self) -> Option<&RedeemReward> {
        match self {
            Command::RedeemReward(what) | Command::CreateRedemption(CreateRedemption { what, .. }) => {
                Some(what)
            }
            _ => None,
        }
    }

    /// True if it needs all open holds of the wallet, whether one of them is due or not.
    pub fn needs_holds(&self) -> bool {
        match self {
            Command::ChangeState(change) => change.to.is_over(),
            // What was captured is no hold, so no refund changes which one ends next.
            Command::RefundRedemption(_) => false,
            Command::MoveMember(_) | Command::ExtendExpiry(_) => true,
            _ => self.redemption().is_some(),
        }
    }

    /// Members do it to spend points.
    pub(super) fn spends(&self) -> bool {
        matches!(self, Command::RedeemReward(_) | Command::CreateRedemption(_) | Command::TransferPoints(_))
    }

    /// It leaves nothing personal of a member.
    pub fn erases(&self) -> bool {
        matches!(self, Command::ChangeState(change) if change.to == MemberState::Erased)
    }

    /// It is about the wallet of the member that it names, wherever that one's points are.
    pub fn is_of_own_wallet(&self) -> bool {
        matches!(
            self,
            Command::Settle | Command::ChangeState(_) | Command::ChangeRole(_) | Command::ReopenReferral(_)
        )
    }

    /// The code of the points currency that it is about; empty: the main one.
    pub fn currency(&self) -> &str {
        match self {
            Command::AdjustPoints(adjust) => &adjust.currency,
            Command::TransferPoints(transfer) => &transfer.currency,
            Command::ExtendExpiry(extend) => &extend.currency,
            Command::ReinstatePoints(reinstate) => &reinstate.currency,
            _ => "",
        }
    }

    /// The second wallet that this command names.
    pub fn other_wallet(&self) -> Option<Uuid> {
        match self {
            Command::TransferPoints(transfer) => Some(transfer.to_member_id),
            Command::MoveMember(moving) => Some(moving.to_wallet()),
            _ => None,
        }
    }

    /// The most points this command may debit from the lots of each purse in their order, given the program
    /// and the activity and the reward that it names; nothing if it debits none.
    pub fn debit_max(
        &self,
        program: &Program,
        activity: Option<&Activity>,
        reward: Option<&Reward>,
    ) -> Points {
        let of = |currency: &str, points: i64| {
            let purse = program.spendable(currency).ok().filter(|_| points > 0);
            purse.map(|purse| (purse, points)).into_iter().collect()
        };
        match self {
            Command::Settle
            | Command::RecordActivity(_)
            | Command::ConfirmActivity(_)
            | Command::CancelActivity(_)
            | Command::ExtendExpiry(_)
            | Command::ReinstatePoints(_)
            | Command::CaptureRedemption(_)
            | Command::VoidRedemption(_)
            | Command::ExtendHold(_)
            | Command::RefundRedemption(_)
            | Command::ChangeState(_)
            | Command::MoveMember(_)
            | Command::ChangeRole(_)
            | Command::ReopenReferral(_)
            | Command::RejectReview => Points::new(),
            Command::ReverseActivity(_) => {
                let earned = activity.into_iter().flat_map(|activity| &activity.earned);
                earned.map(|earning| (earning.purse, earning.owed_max())).collect()
            }
            Command::AdjustPoints(adjust) => of(&adjust.currency, adjust.points.saturating_neg()),
            Command::TransferPoints(transfer) => of(&transfer.currency, transfer.points),
            Command::RedeemReward(what) | Command::CreateRedemption(CreateRedemption { what, .. }) => {
                let price = reward.and_then(|reward| reward.price(&what.price_id).ok());
                price.map_or_else(Points::new, |price| {
                    let rate = reward.and_then(|reward| reward.terms.rate).zip(what.bill);
                    let points = match rate {
                        Some((rate, bill)) => rate.points_for(price.points, bill.amount.micros).unwrap_or(0),
                        None => price.points.saturating_mul(what.quantity),
                    };
                    of(&price.currency, points)
                })
            }
        }
    }
}
