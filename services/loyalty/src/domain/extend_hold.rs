//! ExtendHold: a hold ends later than it would have.

use uuid::Uuid;

use super::book::Book;
use super::create_redemption::hold_until;
use super::redemption::{RedemptionRefusal, StepKind};
use super::{Refusal, Reply};

/// The command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendHold {
    /// Which redemption.
    pub redemption_id: Uuid,
    /// How long it is held from now on; none: as long as the program allows. It never ends sooner than
    /// before.
    pub hold_seconds: Option<i64>,
}

/// Points are never held longer than this, in seconds, however often a hold is extended: 30 days.
pub const HOLD_MAX_SECONDS: i64 = 2_592_000;

pub(super) fn extend(book: &mut Book<'_>, command: &ExtendHold) -> Result<Reply, Refusal> {
    let mut redemption = book.redemption(command.redemption_id)?;
    redemption.held()?;
    let until = hold_until(book, command.hold_seconds)?;
    let last = redemption.create_time.plus_micros(HOLD_MAX_SECONDS.saturating_mul(1_000_000));
    if until > last && until > redemption.hold_expire_time {
        return Err(RedemptionRefusal::HoldEnds { last }.into());
    }
    redemption.hold_expire_time = redemption.hold_expire_time.max(until);
    let all = (redemption.points, redemption.quantity);
    book.step(redemption, StepKind::Extended, all, "", book.now).map(Reply::Redeemed)
}
