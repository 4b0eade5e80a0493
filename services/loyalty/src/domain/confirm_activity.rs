//! ConfirmActivity: what an activity earned may be spent from now on.

use uuid::Uuid;

use super::book::{Book, plus};
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
    let mut released = 0;
    for lot in book.lots_of(activity).into_iter().filter(super::Lot::is_waiting) {
        released = plus(released, lot.remaining)?;
        book.release(lot, book.now, command.member_id)?;
    }
    book.find_next_release();
    book.repay(book.now)?;
    Ok(Reply::Confirmed(activity.clone(), released))
}
