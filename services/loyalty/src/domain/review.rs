//! Reviews: commands that wait until somebody decides about them.

use ambient::Time;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::book::Book;
use super::{AdjustPoints, Command, Money, Program, Redemption, Refusal};

/// A command that waits, or waited. What it is stands in the record of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// The id of the request.
    pub id: Uuid,
    /// The program.
    pub program_id: String,
    /// The limit that it is beyond; empty if it was made for a review.
    pub limit_id: String,
    /// What the command would have moved when it was asked, where that was recorded.
    pub asked: Option<Moved>,
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

/// How many points a command moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Never negative, whichever way they go.
    pub points: i64,
    /// The code of their currency.
    pub currency: String,
    /// What is to be paid beside them.
    pub money: Option<Money>,
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
    pub fn opened(id: Uuid, program_id: String, (limit_id, asked): (String, Moved), now: Time) -> Review {
        Review {
            id,
            program_id,
            limit_id,
            asked: Some(asked),
            state: ReviewState::Open,
            create_time: now,
            decide_time: Time::NEVER,
            decided_by: String::new(),
            note: String::new(),
        }
    }
}

impl Moved {
    /// Points of the currency with this code; empty: the main one.
    pub(super) fn of(program: &Program, code: &str, points: i64) -> Moved {
        let code = if code.is_empty() { &program.points.code } else { code };
        Moved { points: points.saturating_abs(), currency: code.to_owned(), money: None }
    }

    /// What a redemption takes.
    pub(super) fn by(program: &Program, made: &Redemption) -> Moved {
        Moved { money: made.money, ..Moved::of(program, &made.currency, made.points) }
    }

    /// It takes no more, of points and of money, than another one.
    fn is_within(&self, other: &Moved) -> bool {
        let money = match (self.money, other.money) {
            (None, _) => true,
            (Some(money), None) => money.micros == 0,
            (Some(money), Some(other)) => money.currency == other.currency && money.micros <= other.micros,
        };
        money && self.currency == other.currency && self.points <= other.points
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
pub(super) fn allow(book: &Book<'_>, review: Option<&Review>, command: &Command) -> Result<(), Refusal> {
    match review.map(|review| review.state) {
        Some(ReviewState::Open) => return Ok(()),
        Some(state) => return Err(Refusal::ReviewOver { state }),
        None => book.expect_version(command.expected_version())?,
    }
    match command {
        Command::AdjustPoints(AdjustPoints { for_review: true, currency, points, .. }) => {
            book.program.spendable(currency)?;
            let asked = Moved::of(book.program, currency, *points);
            Err(Refusal::ReviewRequired { limit_id: String::new(), asked })
        }
        _ => Ok(()),
    }
}

/// Refuses to take more for a reward than whoever approves was shown.
pub(super) fn bound(book: &Book<'_>, review: Option<&Review>) -> Result<(), Refusal> {
    let asked = review.and_then(|review| review.asked.as_ref());
    let (Some(asked), Some(made)) = (asked, &book.out.redemption) else { return Ok(()) };
    let now = Moved::by(book.program, made);
    if now.is_within(asked) { Ok(()) } else { Err(Refusal::ReviewCostsMore { asked: asked.clone(), now }) }
}
