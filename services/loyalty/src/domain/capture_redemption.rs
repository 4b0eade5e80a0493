//! CaptureRedemption: points that are held are spent, all of them or in part; the rest goes back.

use uuid::Uuid;

use super::book::{Book, minus};
use super::redemption::{Portion, RedemptionRefusal, RedemptionState, StepKind};
use super::{Account, Event, Reason, Refusal, Reply};

/// The command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureRedemption {
    /// Which.
    pub redemption_id: Uuid,
    /// How much of it.
    pub portion: Portion,
}

pub(super) fn capture(book: &mut Book<'_>, command: &CaptureRedemption) -> Result<Reply, Refusal> {
    let mut redemption = book.redemption(command.redemption_id)?;
    redemption.held()?;
    let all = (redemption.points, redemption.quantity);
    let (points, quantity) = match command.portion {
        Portion::Whole => all,
        Portion::Points(points) => (points, redemption.quantity),
        Portion::Quantity(units) => {
            (redemption.unit_points().checked_mul(units).ok_or(Refusal::AmountOverflow)?, units)
        }
    };
    if points > all.0 || quantity > all.1 {
        let (held, quantity_held) = all;
        return Err(RedemptionRefusal::CaptureExceedsHold { points, held, quantity, quantity_held }.into());
    }
    let (points, money) = redemption.spent_of(points)?;
    if points > 0 {
        let accounts = (redemption.purse, Account::Held, Account::Redeemed);
        book.post(accounts, points, Reason::Capture, book.now, redemption.source(""))?;
    }
    redemption.money = money;
    (redemption.captured, redemption.quantity_captured) = (points, quantity);
    (redemption.state, redemption.resolve_time) = (RedemptionState::Captured, book.now);
    book.give_back(&redemption, (points, all.0), (Account::Held, Reason::Void), (book.now, ""))?;
    book.hand_out(&mut redemption);
    book.give_units_back(&redemption, minus(all.1, quantity)?)?;
    let redemption = book.step(redemption, StepKind::Captured, (points, quantity), "", book.now)?;
    let left = book.left(redemption.purse);
    book.announce(Event::RewardRedeemed { redemption: redemption.clone(), left });
    Ok(Reply::Redeemed(redemption))
}
