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

/// One activity as recorded.
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
}

/// Spend that counts for tiers, on one local day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySpend {
    /// The local date in the program's zone.
    pub date: NaiveDate,
    /// In millionths of the currency's unit.
    pub spend_micros: i64,
}
