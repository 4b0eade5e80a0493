//! AdjustPoints: somebody gives or takes points by hand, and says why.

use uuid::Uuid;

use super::book::Book;
use super::{Account, Event, Reason, Refusal, Reply, Source};

/// The command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdjustPoints {
    /// Whose points.
    pub member_id: Uuid,
    /// To give (positive) or to take (negative); never 0.
    pub points: i64,
    /// The code of their currency; empty: the main one.
    pub currency: String,
    /// Reason and approver.
    pub note: String,
    /// Refuse unless the wallet has this version.
    pub expected_version: Option<i64>,
    /// Not before it was approved.
    pub for_review: bool,
}

pub(super) fn adjust(book: &mut Book<'_>, command: &AdjustPoints) -> Result<Reply, Refusal> {
    let purse = book.program.spendable(&command.currency)?;
    let source =
        Source { actor_member_id: command.member_id, note: command.note.clone(), ..Source::default() };
    if command.points > 0 {
        book.open_lot(purse, command.points, (book.now, book.now), &source)?;
        let accounts = (purse, Account::Adjusted, Account::Available);
        book.post(accounts, command.points, Reason::Adjust, book.now, source)?;
        book.repay(purse, book.now)?;
    } else {
        let points = command.points.checked_neg().ok_or(Refusal::AmountOverflow)?;
        book.debit_lots((purse, Account::Adjusted), points, Reason::Adjust, book.now, source)?;
    }
    book.announce(Event::PointsAdjusted {
        member_id: command.member_id,
        points: command.points,
        left: book.left(purse),
    });
    Ok(Reply::Done)
}
