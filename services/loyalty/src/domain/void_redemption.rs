//! VoidRedemption: points and units that are held go back, by a call or because the hold timed out.

use ambient::Time;
use uuid::Uuid;

use super::book::Book;
use super::redemption::{Redemption, RedemptionState, StepKind};
use super::{Account, Event, Reason, Refusal, Reply};

/// The command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoidRedemption {
    /// Which.
    pub redemption_id: Uuid,
    /// Why.
    pub note: String,
}

pub(super) fn void(book: &mut Book<'_>, command: &VoidRedemption) -> Result<Reply, Refusal> {
    let redemption = book.redemption(command.redemption_id)?;
    redemption.held()?;
    end(book, redemption, (RedemptionState::Voided, StepKind::Voided), (book.now, &command.note))
        .map(Reply::Redeemed)
}

/// Ends a hold that nobody resolved in time, at its own moment.
pub(super) fn time_out(book: &mut Book<'_>, redemption: Redemption) -> Result<Redemption, Refusal> {
    let at = redemption.hold_expire_time;
    end(book, redemption, (RedemptionState::Expired, StepKind::Expired), (at, ""))
}

/// Voids all that is held, because the owner of the wallet leaves.
pub(super) fn void_all(book: &mut Book<'_>, note: &str) -> Result<(), Refusal> {
    let holds: Vec<Uuid> = book.before.holds.keys().map(|(_, id)| *id).collect();
    for id in holds {
        let redemption = book.redemption(id)?;
        if redemption.state == RedemptionState::Held {
            end(book, redemption, (RedemptionState::Voided, StepKind::Voided), (book.now, note))?;
        }
    }
    Ok(())
}

fn end(
    book: &mut Book<'_>,
    mut redemption: Redemption,
    (state, step): (RedemptionState, StepKind),
    (at, note): (Time, &str),
) -> Result<Redemption, Refusal> {
    (redemption.state, redemption.resolve_time) = (state, at);
    let all = (redemption.points, redemption.quantity);
    book.give_back(&redemption, (0, all.0), (Account::Held, Reason::Void), (at, note))?;
    book.give_units_back(&redemption, all.1)?;
    let redemption = book.step(redemption, step, all, note, at)?;
    let left = book.left(redemption.purse);
    book.announce(Event::RedemptionVoided { redemption: redemption.clone(), left });
    Ok(redemption)
}
