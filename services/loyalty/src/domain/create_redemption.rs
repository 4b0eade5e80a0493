//! CreateRedemption: points and units of a reward are reserved, up to a moment.

use ambient::Time;

use super::book::Book;
use super::redeem_reward::priced;
use super::redemption::{Redemption, RedemptionRefusal, RedemptionState, StepKind};
use super::{Account, Context, Event, Reason, RedeemReward, Refusal, Reply};

/// The command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateRedemption {
    /// What is to be redeemed.
    pub what: RedeemReward,
    /// How long it is held; none: as long as the program allows.
    pub hold_seconds: Option<i64>,
}

pub(super) fn create(
    book: &mut Book<'_>,
    command: &CreateRedemption,
    context: Context<'_>,
) -> Result<Reply, Refusal> {
    let hold_expire_time = hold_until(book, command.hold_seconds)?;
    let made = priced(book, &command.what, context)?;
    let mut redemption = Redemption { state: RedemptionState::Held, hold_expire_time, ..made };
    book.slide(book.now);
    book.pay(&mut redemption, (Account::Held, Reason::Hold))?;
    let all = (redemption.points, redemption.quantity);
    book.note_step(&mut redemption, StepKind::Held, all, "", book.now)?;
    book.out.wallet.next_hold = book.out.wallet.next_hold.min(hold_expire_time);
    book.out.redemption = Some(redemption.clone());
    let left = book.left(redemption.purse);
    book.announce(Event::RedemptionHeld { redemption: redemption.clone(), left });
    Ok(Reply::Redeemed(redemption))
}

/// The end of a hold that begins now.
pub(super) fn hold_until(book: &Book<'_>, seconds: Option<i64>) -> Result<Time, Refusal> {
    let max_seconds = book.program.redemption.hold_max_seconds;
    let seconds = seconds.unwrap_or(max_seconds);
    if seconds > max_seconds {
        return Err(RedemptionRefusal::HoldTooLong { seconds, max_seconds }.into());
    }
    Ok(book.now.plus_micros(seconds.saturating_mul(1_000_000)))
}
