//! Reviews: commands that wait until somebody decides about them.

use ambient::Time;
use uuid::Uuid;

use super::book::Book;
use super::{AdjustPoints, Command, Refusal};

/// A command that waits, or waited. What it is stands in the record of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// The id of the request.
    pub id: Uuid,
    /// The program.
    pub program_id: String,
    /// The limit that it is beyond; empty if it was made for a review.
    pub limit_id: String,
    /// Whether it waits.
    pub state: ReviewState,
    /// Since when.
    pub create_time: Time,
    /// When it was decided; `NEVER` while it waits.
    pub decide_time: Time,
    /// Who decided it.
    pub decided_by: String,
    /// Why.
    pub note: String,
}

/// Whether a command waits. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ReviewState {
    /// It waits.
    Open = 1,
    /// It was done.
    Approved = 2,
    /// It never will be.
    Rejected = 3,
}

impl Review {
    /// One that begins.
    pub fn opened(id: Uuid, program_id: String, limit_id: String, now: Time) -> Review {
        Review {
            id,
            program_id,
            limit_id,
            state: ReviewState::Open,
            create_time: now,
            decide_time: Time::NEVER,
            decided_by: String::new(),
            note: String::new(),
        }
    }
}

impl ReviewState {
    /// The state with this stored number.
    pub fn from_number(number: i32) -> Option<ReviewState> {
        use ReviewState::{Approved, Open, Rejected};
        [Open, Approved, Rejected].into_iter().find(|state| *state as i32 == number)
    }
}

/// Refuses what was decided before, what is meant for another version of the wallet, and what is to wait
/// first. What waited was meant for the version that it was asked with.
pub(super) fn allow(book: &Book<'_>, review: Option<ReviewState>, command: &Command) -> Result<(), Refusal> {
    match review {
        Some(ReviewState::Open) => return Ok(()),
        Some(state) => return Err(Refusal::ReviewOver { state }),
        None => book.expect_version(command.expected_version())?,
    }
    match command {
        Command::AdjustPoints(AdjustPoints { for_review: true, currency, .. }) => {
            book.program.spendable(currency)?;
            Err(Refusal::ReviewRequired { limit_id: String::new() })
        }
        _ => Ok(()),
    }
}
