//! Why a command was refused: business answers that are remembered like successes.

use ambient::Time;
use uuid::Uuid;

use super::{
    ActivityState, Currency, HouseholdRole, MemberState, MoveRefusal, Moved, RedemptionRefusal, ReviewState,
    RewardRefusal,
};

/// A refusal. Nothing of the command was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The wallet has an activity with this external id.
    ActivityExists {
        /// The first one.
        activity_id: Uuid,
    },
    /// The member may neither earn nor redeem for now.
    MemberSuspended,
    /// The member has left.
    MemberClosed,
    /// It is beyond a limit of how much may move, and how often.
    VelocityExceeded {
        /// Which.
        limit_id: String,
    },
    /// It waits for a review.
    ReviewRequired {
        /// The limit that it is beyond; empty if it was made for a review.
        limit_id: String,
        /// What it would move.
        asked: Moved,
    },
    /// What waits would take more points than when it was asked.
    ReviewCostsMore {
        /// Then.
        asked: Moved,
        /// Now.
        now: Moved,
    },
    /// It was decided about before.
    ReviewOver {
        /// How.
        state: ReviewState,
    },
    /// The program has no such member to give points to.
    RecipientNotFound {
        /// The id given.
        member_id: Uuid,
    },
    /// The member to give points to may not act.
    RecipientNotActive {
        /// The member.
        member_id: Uuid,
        /// What keeps it from acting.
        state: MemberState,
    },
    /// The member to give points to has them in the same wallet.
    RecipientSharesWallet {
        /// The member.
        member_id: Uuid,
    },
    /// A member does not move, or what it has is elsewhere.
    Move(MoveRefusal),
    /// The member's role in the household does not allow it.
    RoleRequired {
        /// Which role does.
        role: HouseholdRole,
    },
    /// The wallet has no such activity.
    ActivityNotFound {
        /// The id or external id given.
        activity: String,
    },
    /// All of the activity was taken back before, or it was cancelled.
    ActivityOver {
        /// Which.
        activity_id: Uuid,
        /// What became of it.
        state: ActivityState,
    },
    /// Points of the activity are no longer pending: it can be reversed, but not cancelled.
    ActivityReleased {
        /// Which.
        activity_id: Uuid,
    },
    /// More of a line item is given back than there is left, or the activity has no such item.
    ItemNotLeft {
        /// Its place, from 0.
        item: usize,
        /// How many are given back.
        quantity: i64,
        /// How many are left.
        left: i64,
    },
    /// A cap of a rule refuses what is more.
    LimitReached {
        /// Which rule.
        rule_id: String,
        /// Points it would grant.
        desired: i64,
        /// Points it may still grant.
        left: i64,
    },
    /// More is given back than was paid and not yet given back.
    ReturnExceedsActivity {
        /// Given back, in millionths of the currency's unit.
        returned_micros: i64,
        /// What is left, in millionths of the currency's unit.
        residual_micros: i64,
    },
    /// The amount is not in the program's currency.
    CurrencyMismatch {
        /// The program's.
        expected: Currency,
        /// The amount's.
        given: Currency,
    },
    /// The activity lies in the future.
    OccurredInFuture {
        /// When it is said to have happened.
        occurred: Time,
        /// The present.
        now: Time,
    },
    /// Points would expire at once.
    ExpiresInPast {
        /// When they would expire.
        expire_time: Time,
        /// The present.
        now: Time,
    },
    /// The program has no points currency with this code.
    PointCurrencyNotFound {
        /// The code given.
        code: String,
    },
    /// Points of this currency are credits for tiers: no wallet holds any.
    NotSpendable {
        /// Its code.
        code: String,
    },
    /// Members may be in this tier: it keeps its place and its id.
    TierInUse {
        /// Which.
        tier_id: String,
    },
    /// Credits were counted by it: what counts for tiers, and over which days, stays.
    TierPolicyInUse,
    /// A sum would not fit.
    AmountOverflow,
    /// Fewer points than needed.
    InsufficientPoints {
        /// Points the command takes.
        needed: i64,
        /// Points that may be spent.
        available: i64,
    },
    /// A reward cannot be had, or not so.
    Reward(RewardRefusal),
    /// A redemption cannot be held, captured, voided or refunded so.
    Redemption(RedemptionRefusal),
    /// Fewer units than asked for.
    OutOfStock {
        /// The reward.
        reward_id: String,
        /// Units left.
        remaining: i64,
    },
    /// The wallet's program has no such reward.
    RewardNotFound {
        /// The id given.
        reward_id: String,
    },
    /// The wallet has changed since.
    VersionMismatch {
        /// The version the caller expected.
        expected: i64,
        /// The wallet's version.
        actual: i64,
    },
}
