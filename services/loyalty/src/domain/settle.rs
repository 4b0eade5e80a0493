//! Settling: what fell due is applied at its own moment, before anything else is decided.
//!
//! No answer depends on when a worker came by, because every decision and every read settles first.

use super::book::Book;
use super::{Refusal, State};
use ambient::Time;
use uuid::Uuid;

/// Applies releases, expiries and ends of tiers up to the book's `now`. Needs all lots that are due and
/// the first of each purse that is not.
pub(super) fn settle(book: &mut Book<'_>) -> Result<(), Refusal> {
    if book.out.wallet.next_due <= book.now {
        let due = book.before.pending.range(..=(book.now, i64::MAX)).map(|(_, lot)| lot);
        for lot in due {
            let at = lot.activate_time;
            // Points that end when others are released are gone before these come.
            expire_until(book, at)?;
            book.release(lot.clone(), at, Uuid::nil())?;
            book.repay(lot.key.purse, at)?;
        }
        expire_until(book, book.now)?;
        book.find_next_expiries();
        book.find_next_release();
    }
    book.settle_tier()
}

fn expire_until(book: &mut Book<'_>, at: Time) -> Result<(), Refusal> {
    for purse in book.purses() {
        while let Some(lot) = book.first_open_lot(purse).filter(|lot| book.lives_until(lot) <= at) {
            book.expire(lot)?;
        }
    }
    Ok(())
}

/// True if a decision at this moment needs the lots of the wallet that are due.
pub(super) fn needs_lots(state: &State, now: Time) -> bool {
    state.wallet.next_due <= now.max(state.wallet.now)
}
