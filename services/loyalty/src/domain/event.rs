//! What a command announces.

use ambient::Time;
use uuid::Uuid;

use super::{Activity, Redemption};

/// One announcement; at most one of a kind per command. `available` is the total right after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A member did something.
    ActivityRecorded {
        /// What.
        activity: Activity,
    },
    /// An activity earned points.
    PointsEarned {
        /// Who.
        member_id: Uuid,
        /// Which activity.
        activity_id: Uuid,
        /// The lot opened.
        lot_number: i64,
        /// How many.
        points: i64,
        /// When they expire.
        expire_time: Time,
        /// Points that may be spent now.
        available: i64,
    },
    /// Points reached the end of their life.
    PointsExpired {
        /// Lot number, points and moment of each.
        lots: Vec<(i64, i64, Time)>,
        /// Points that may be spent now.
        available: i64,
    },
    /// Points will expire soon unless they are spent.
    PointsExpiring {
        /// How many.
        points: i64,
        /// When the first of them expire.
        first_expire_time: Time,
        /// When the last of them expire.
        last_expire_time: Time,
        /// Points that may be spent now.
        available: i64,
    },
    /// Somebody gave or took points by hand.
    PointsAdjusted {
        /// Whose.
        member_id: Uuid,
        /// Given if positive.
        points: i64,
        /// Points that may be spent now.
        available: i64,
    },
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
    /// Points were spent on a reward.
    RewardRedeemed {
        /// The redemption.
        redemption: Redemption,
        /// Points that may be spent now.
        available: i64,
    },
}
