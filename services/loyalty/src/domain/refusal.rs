//! Why a command was refused: business answers that are remembered like successes.

use ambient::Time;
use uuid::Uuid;

use super::Currency;

/// A refusal. Nothing of the command was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The wallet has an activity with this external id.
    ActivityExists {
        /// The first one.
        activity_id: Uuid,
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
    /// A sum would not fit.
    AmountOverflow,
    /// Fewer points than needed.
    InsufficientPoints {
        /// Points the command takes.
        needed: i64,
        /// Points that may be spent.
        available: i64,
    },
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
