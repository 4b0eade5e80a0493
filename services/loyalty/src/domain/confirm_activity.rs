//! ConfirmActivity: what an activity earned may be spent from now on.

use uuid::Uuid;

use super::book::Book;
use super::purse::{Points, add};
use super::reverse_activity::still_counts;
use super::{Activity, ActivityRef, Refusal, Reply};

/// The command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmActivity {
    /// Whose activity.
    pub member_id: Uuid,
    /// Which.
    pub activity: ActivityRef,
}

/// Releases what is pending. Points that were released before stay as they are.
pub(super) fn confirm(
    book: &mut Book<'_>,
    command: &ConfirmActivity,
    activity: Option<&Activity>,
) -> Result<Reply, Refusal> {
    let activity = still_counts(&command.activity, activity)?;
    let mut released = Points::new();
    for earning in &activity.earned {
        let lots = book.lots_earned(activity, earning.purse);
        for lot in lots.into_iter().filter(super::Lot::is_waiting) {
            add(&mut released, lot.key.purse, lot.remaining)?;
            book.release(lot, book.now, command.member_id)?;
        }
    }
    book.find_next_release();
    book.repay_all(book.now)?;
    Ok(Reply::Confirmed(activity.clone(), released))
}
