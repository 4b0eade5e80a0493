//! Settling: what fell due is applied at its own moment, before anything else is decided.
//!
//! No answer depends on when a worker came by, because every decision and every read settles first.

use super::book::Book;
use super::calendar::{start_of_year, year_of};
use super::{Refusal, State};
use ambient::Time;
use uuid::Uuid;

/// Applies releases, expiries and ends of tier years up to the book's `now`. Needs all lots that are due and
/// the first that is not.
pub(super) fn settle(book: &mut Book<'_>) -> Result<(), Refusal> {
    if book.out.wallet.next_due <= book.now {
        let due = book.before.pending.range(..=(book.now, i64::MAX)).map(|(_, lot)| lot);
        for lot in due {
            let at = lot.activate_time;
            // Points that end when others are released are gone before these come.
            expire_until(book, at)?;
            book.release(lot.clone(), at, Uuid::nil())?;
            book.repay(at)?;
        }
        expire_until(book, book.now)?;
        book.find_next_expire();
        book.find_next_release();
    }
    end_years(book);
    Ok(())
}

fn expire_until(book: &mut Book<'_>, at: Time) -> Result<(), Refusal> {
    while let Some(lot) = book.first_open_lot().filter(|lot| book.lives_until(lot) <= at) {
        book.expire(lot)?;
    }
    Ok(())
}

/// Moves the tier window to the present year, one year at a time so that each end has its own moment.
fn end_years(book: &mut Book<'_>) {
    let zone = book.program.time_zone;
    let present = year_of(zone, book.now);
    // After two years without spend nothing changes any more.
    for _ in 0..3 {
        let spend = book.out.wallet.spend;
        if spend.year >= present {
            break;
        }
        let year = spend.year.saturating_add(1);
        book.out.wallet.spend = spend.rolled_to(year);
        book.update_tier(start_of_year(zone, year));
    }
    book.out.wallet.spend = book.out.wallet.spend.rolled_to(present);
}

/// True if a decision at this moment needs the lots of the wallet that are due.
pub(super) fn needs_lots(state: &State, now: Time) -> bool {
    state.wallet.next_due <= now.max(state.wallet.now)
}
