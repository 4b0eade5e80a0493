//! ReopenReferral: what qualified was taken back before it was rewarded; the next one may.

use uuid::Uuid;

use super::book::Book;
use super::{Activity, Referred, Refusal, Reply, Wallet};

pub(super) fn reopen(book: &mut Book<'_>, activity_id: Uuid) -> Result<Reply, Refusal> {
    book.out.wallet.referred = true;
    book.out.referred = Some((book.out.wallet.id, Referred::Open { activity_id }));
    Ok(Reply::Done)
}

impl Book<'_> {
    /// The first activity of a friend that qualifies is what both are rewarded for. A friend in a household
    /// has a wallet that stays as it is: there, the first is the one that finds the referral open.
    pub(super) fn qualify(&mut self, activity: &Activity, shares_as: Option<&Wallet>) {
        let friend = shares_as.unwrap_or(&self.out.wallet);
        let (friend_id, joined) = (friend.id, friend.open_time);
        let policy = self.program.referral.as_ref().filter(|_| friend.referred);
        if let Some(due_time) = policy.and_then(|policy| policy.due(activity, joined)) {
            self.out.wallet.referred &= self.out.wallet.id != friend_id;
            self.out.referred = Some((friend_id, Referred::Qualified { activity_id: activity.id, due_time }));
        }
    }
}
