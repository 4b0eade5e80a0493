//! What a command announces.

use ambient::Time;
use uuid::Uuid;

use super::{Activity, Credits, Destination, MemberState, Money, Redemption, Reversal};

/// One announcement; at most one of a kind per command and points currency, and per redemption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A member did something.
    ActivityRecorded {
        /// What.
        activity: Activity,
    },
    /// A member was suspended, reactivated, or left.
    MemberStateChanged(StateChange),
    /// What was personal of a member is gone.
    MemberErased {
        /// Who.
        member_id: Uuid,
        /// When.
        erase_time: Time,
    },
    /// An activity earned points.
    PointsEarned(Earned),
    /// Pending points may be spent from now on.
    PointsReleased {
        /// Lot number, points and moment of each.
        lots: Vec<(i64, i64, Time)>,
        /// What may be spent now.
        left: Left,
    },
    /// An activity was taken back or cancelled, all of it or in part.
    ActivityReversed(Box<Taken>),
    /// Points reached the end of their life.
    PointsExpired {
        /// Lot number, points and moment of each.
        lots: Vec<(i64, i64, Time)>,
        /// What may be spent now.
        left: Left,
    },
    /// Points that had expired may be spent again.
    PointsReinstated {
        /// Lot number, points and new expiry of each.
        lots: Vec<(i64, i64, Time)>,
        /// What may be spent now.
        left: Left,
    },
    /// Points will expire soon unless they are spent.
    PointsExpiring {
        /// How many.
        points: i64,
        /// When the first of them expire.
        first_expire_time: Time,
        /// When the last of them expire.
        last_expire_time: Time,
        /// What may be spent now.
        left: Left,
    },
    /// Somebody gave or took points by hand.
    PointsAdjusted {
        /// Whose.
        member_id: Uuid,
        /// Given if positive.
        points: i64,
        /// What may be spent now.
        left: Left,
    },
    /// Points went to another member, or came from one.
    PointsTransferred(Transferred),
    /// A member was merged, joined a household, or came back from there.
    MemberMoved(MemberMoved),
    /// The current tier changed.
    TierChanged {
        /// Before.
        from_tier_id: String,
        /// Now.
        to_tier_id: String,
        /// Position of the tier before, from 1; 0 if there was none.
        from_rank: u32,
        /// Position of the tier now.
        to_rank: u32,
        /// When it took effect.
        effective_time: Time,
    },
    /// The tier ends soon unless it is qualified for again.
    TierAtRisk(AtRisk),
    /// Points were reserved for a reward.
    RedemptionHeld {
        /// The redemption.
        redemption: Redemption,
        /// What may be spent now.
        left: Left,
    },
    /// Points that were reserved may be spent again.
    RedemptionVoided {
        /// The redemption.
        redemption: Redemption,
        /// What may be spent now.
        left: Left,
    },
    /// Points that were spent on a reward were given back, all of them or in part.
    RedemptionRefunded {
        /// The redemption.
        redemption: Redemption,
        /// How many this time.
        points: i64,
        /// When.
        refund_time: Time,
        /// What may be spent now.
        left: Left,
    },
    /// Points were spent on a reward.
    RewardRedeemed {
        /// The redemption.
        redemption: Redemption,
        /// What may be spent now.
        left: Left,
    },
}

/// What may be spent of a purse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The code of its currency.
    pub currency: String,
    /// Points.
    pub available: i64,
}

/// Points of all currencies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Of the main one.
    pub main: i64,
    /// Of further ones, by their codes.
    pub further: Vec<(String, i64)>,
}

/// What an activity earned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earned {
    /// Who.
    pub member_id: Uuid,
    /// Which activity.
    pub activity_id: Uuid,
    /// The lot opened.
    pub lot_number: i64,
    /// How many.
    pub points: i64,
    /// From when they may be spent; `NEVER` if that takes a confirmation.
    pub activate_time: Time,
    /// When they expire; `NEVER` also if that is not known before they are confirmed.
    pub expire_time: Time,
    /// What may be spent now.
    pub left: Left,
}

/// What was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The activity as it is now.
    pub activity: Activity,
    /// What was given back of the amount this time.
    pub returned: Option<Money>,
    /// What became of the points, by the codes of their currencies.
    pub reversals: Vec<(String, Reversal)>,
    /// When.
    pub reverse_time: Time,
    /// What may be spent now of the main currency.
    pub left: Left,
}

/// A member who was suspended, reactivated, or left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// Who.
    pub member_id: Uuid,
    /// The state now.
    pub state: MemberState,
    /// Why.
    pub note: String,
    /// Points that were forfeited.
    pub forfeited: Told,
    /// When.
    pub change_time: Time,
}

/// Points that went to another member, or came from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// Whose.
    pub member_id: Uuid,
    /// The other one.
    pub other_member_id: Uuid,
    /// Received if positive, given if negative.
    pub points: i64,
    /// What may be spent now.
    pub left: Left,
}

/// A member whose points are in another wallet from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberMoved {
    /// Who.
    pub member_id: Uuid,
    /// Where to.
    pub to: Destination,
    /// The wallet that got the points, or gave them back.
    pub other_wallet_id: Uuid,
    /// How many points, pending ones too.
    pub points: Told,
    /// When.
    pub move_time: Time,
}

/// A tier that ends soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtRisk {
    /// The tier.
    pub tier_id: String,
    /// Its position, from 1.
    pub rank: u32,
    /// When it ends.
    pub end_time: Time,
    /// What is missing to keep it.
    pub to_stay: Credits,
}
