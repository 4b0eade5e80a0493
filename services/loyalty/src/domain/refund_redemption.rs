//! RefundRedemption: points that were spent go back to the lots that they came from, in any number of parts.
//!
//! What was taken last returns first. Units do not return to the stock by themselves: whether a thing can be
//! handed out again is not known here.

use uuid::Uuid;

use super::book::{Book, minus, plus};
use super::redemption::{Portion, RedemptionRefusal, RedemptionState, StepKind};
use super::{Account, Event, Reason, Refusal, Reply};

/// The command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRedemption {
    /// Which.
    pub redemption_id: Uuid,
    /// How much of what was spent and not refunded.
    pub portion: Portion,
    /// Why.
    pub note: String,
}

pub(super) fn refund(book: &mut Book<'_>, command: &RefundRedemption) -> Result<Reply, Refusal> {
    let mut redemption = book.redemption(command.redemption_id)?;
    match redemption.state {
        RedemptionState::Captured => {}
        RedemptionState::Held => {
            return Err(RedemptionRefusal::NotCaptured { redemption_id: redemption.id }.into());
        }
        state => return Err(RedemptionRefusal::Resolved { redemption_id: redemption.id, state }.into()),
    }
    let left = redemption.kept();
    let points = match command.portion {
        Portion::Whole => left,
        Portion::Points(points) => points,
        Portion::Quantity(units) => redemption.points_of_units(units)?,
    };
    if points > left || left == 0 {
        return Err(RedemptionRefusal::RefundExceedsRedemption { points, left }.into());
    }
    let accounts = (Account::Redeemed, Reason::Refund);
    book.give_back(&redemption, (minus(left, points)?, left), accounts, (book.now, &command.note))?;
    redemption.refunded = plus(redemption.refunded, points)?;
    let note = command.note.as_str();
    let redemption = book.step(redemption, StepKind::Refunded, (points, 0), note, book.now)?;
    let (refund_time, left) = (book.now, book.left(redemption.purse));
    book.announce(Event::RedemptionRefunded { redemption: redemption.clone(), points, refund_time, left });
    Ok(Reply::Refunded(redemption, points))
}
