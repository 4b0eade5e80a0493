//! Settling: what fell due is applied at its own moment, before anything else is decided.
//!
//! No answer depends on when a worker came by, because every decision and every read settles first.

use super::book::Book;
use super::calendar::{start_of_year, year_of};
use super::{Refusal, State};

/// Applies expiries and ends of tier years up to the book's `now`. Needs all lots that are due and the
/// first that is not.
pub(super) fn settle(book: &mut Book<'_>) -> Result<(), Refusal> {
    if book.out.wallet.next_due <= book.now {
        while let Some(lot) = book.first_open_lot().filter(|lot| lot.key.expire_time <= book.now) {
            book.expire(lot)?;
        }
        book.find_next_expire();
    }
    end_years(book);
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
pub(super) fn needs_lots(state: &State, now: ambient::Time) -> bool {
    state.wallet.next_due <= now.max(state.wallet.now)
}
