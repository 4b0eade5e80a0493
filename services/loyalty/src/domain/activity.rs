//! What a member did.

use ambient::Time;
use chrono::NaiveDate;
use uuid::Uuid;

use super::Money;

/// Kinds of activities. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ActivityKind {
    /// Bought something; the only kind whose amount earns points.
    Purchase = 1,
    /// Came by.
    Visit = 2,
    /// Wrote a review.
    Review = 3,
    /// Answered a survey.
    SurveyCompleted = 4,
    /// Checked in at a place.
    CheckIn = 5,
    /// Anything else.
    Custom = 6,
}

impl ActivityKind {
    /// The kind with this stored number.
    pub fn from_number(number: i32) -> Option<ActivityKind> {
        use ActivityKind::{CheckIn, Custom, Purchase, Review, SurveyCompleted, Visit};
        [Purchase, Visit, Review, SurveyCompleted, CheckIn, Custom].into_iter().find(|k| *k as i32 == number)
    }
}

impl ActivityKind {
    /// How much of what was paid earns points and counts for tiers.
    pub fn spend_micros(self, amount_micros: i64) -> i64 {
        match self {
            ActivityKind::Purchase => amount_micros,
            ActivityKind::Visit
            | ActivityKind::Review
            | ActivityKind::SurveyCompleted
            | ActivityKind::CheckIn
            | ActivityKind::Custom => 0,
        }
    }
}

/// What became of an activity. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ActivityState {
    /// It counts whole.
    Recorded = 1,
    /// A part of it was taken back.
    PartlyReversed = 2,
    /// All of it was taken back.
    Reversed = 3,
    /// It was cancelled while its points were pending.
    Cancelled = 4,
}

impl ActivityState {
    /// The state with this stored number.
    pub fn from_number(number: i32) -> Option<ActivityState> {
        use ActivityState::{Cancelled, PartlyReversed, Recorded, Reversed};
        [Recorded, PartlyReversed, Reversed, Cancelled].into_iter().find(|state| *state as i32 == number)
    }
}

/// How a command names an activity of the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivityRef {
    /// By its id.
    Id(Uuid),
    /// By the caller's own key.
    External(String),
}

/// One activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// UUIDv7, given with the command.
    pub id: Uuid,
    /// Who did it.
    pub member_id: Uuid,
    /// What kind.
    pub kind: ActivityKind,
    /// When it happened.
    pub occurred_time: Time,
    /// What was paid.
    pub amount: Option<Money>,
    /// The caller's own key; empty if none.
    pub external_id: String,
    /// Points it earned.
    pub points: i64,
    /// What became of it.
    pub state: ActivityState,
    /// Points of it that were owed back so far.
    pub points_reversed: i64,
    /// What was given back of the amount so far, in millionths of the currency's unit.
    pub returned_micros: i64,
    /// The lots it opened: the number of the first, and how many; their numbers follow each other.
    pub lots: (i64, i64),
}

impl Activity {
    /// Points that may yet be owed back, whatever is given back.
    pub fn points_owed_max(&self) -> i64 {
        self.points.saturating_sub(self.points_reversed).max(0)
    }

    /// What was paid and not given back, in millionths of the currency's unit.
    pub fn residual_micros(&self) -> i64 {
        self.amount.map_or(0, |amount| amount.micros.saturating_sub(self.returned_micros))
    }
}

/// Spend that counts for tiers, on one local day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySpend {
    /// The local date in the program's zone.
    pub date: NaiveDate,
    /// In millionths of the currency's unit.
    pub spend_micros: i64,
}
