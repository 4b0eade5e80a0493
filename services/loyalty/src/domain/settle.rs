//! Settling: what fell due is applied at its own moment, in the order of these moments, before anything else
//! is decided.
//!
//! No answer depends on when a worker came by, because every decision and every read settles first.

use super::book::Book;
use super::{Lot, Redemption, Refusal, State, void_redemption};
use ambient::Time;
use uuid::Uuid;

/// What falls due beside the ends of points and tiers. At the same moment the first kind comes first.
enum Due<'a> {
    Release(&'a Lot),
    TimeOut(&'a Redemption),
}

/// Applies releases, expiries, ends of holds and of tiers up to the book's `now`. Needs all lots that are due
/// and the first of each purse that is not, and the same of holds.
pub(super) fn settle(book: &mut Book<'_>) -> Result<(), Refusal> {
    if book.out.wallet.next_due <= book.now {
        let releases = book.before.pending.range(..=(book.now, i64::MAX));
        let releases = releases.map(|((at, _), lot)| (*at, Due::Release(lot)));
        let ends = book.before.holds.range(..=(book.now, Uuid::max()));
        let ends = ends.map(|((at, _), redemption)| (*at, Due::TimeOut(redemption)));
        let mut due: Vec<(Time, Due<'_>)> = releases.chain(ends).collect();
        due.sort_by_key(|(at, _)| *at);
        for (at, due) in due {
            // Points that end when others come are gone before these.
            expire_until(book, at)?;
            match due {
                Due::Release(lot) => {
                    book.release(lot.clone(), at, Uuid::nil())?;
                    book.repay(lot.key.purse, at)?;
                }
                Due::TimeOut(redemption) => drop(void_redemption::time_out(book, redemption.clone())?),
            }
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
