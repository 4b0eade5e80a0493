//! ReopenReferral: what qualified was taken back before it was rewarded; the next one may.

use super::book::Book;
use super::{Activity, Referred, Refusal, Reply};

pub(super) fn reopen(book: &mut Book<'_>) -> Result<Reply, Refusal> {
    book.out.wallet.referred = true;
    book.out.referred = Some(Referred::Open);
    Ok(Reply::Done)
}

impl Book<'_> {
    /// The first activity of a friend that qualifies is what both are rewarded for.
    pub(super) fn qualify(&mut self, activity: &Activity) {
        let policy = self.program.referral.as_ref().filter(|_| self.out.wallet.referred);
        if let Some(due_time) = policy.and_then(|policy| policy.due(activity, self.out.wallet.open_time)) {
            self.out.wallet.referred = false;
            self.out.referred = Some(Referred::Qualified { activity_id: activity.id, due_time });
        }
    }
}
