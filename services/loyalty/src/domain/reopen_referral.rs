//! ReopenReferral: what qualified was taken back before it was rewarded; the next one may.

use super::book::Book;
use super::{Activity, Referred, Refusal, Reply, Wallet};

/// `named` is the friend's own wallet, if what it has is in this one.
pub(super) fn reopen(book: &mut Book<'_>, named: Option<&Wallet>) -> Result<Reply, Refusal> {
    let friend_id = named.map_or(book.out.wallet.id, |friend| friend.id);
    book.out.wallet.referred |= friend_id == book.out.wallet.id;
    book.out.referred = Some((friend_id, Referred::Open));
    Ok(Reply::Done)
}

impl Book<'_> {
    /// The first activity of a friend that qualifies is what both are rewarded for. A friend in a household
    /// has a wallet that stays as it is: there, the first is the one that finds the referral open.
    pub(super) fn qualify(&mut self, activity: &Activity, shares_as: Option<&Wallet>) {
        let friend = shares_as.unwrap_or(&self.out.wallet);
        let (friend_id, joined) = (friend.id, friend.open_time);
        let may_be_open = friend.referred || friend_id != self.out.wallet.id;
        let policy = self.program.referral.as_ref().filter(|_| may_be_open);
        if let Some(due_time) = policy.and_then(|policy| policy.due(activity, joined)) {
            self.out.wallet.referred &= self.out.wallet.id != friend_id;
            self.out.referred = Some((friend_id, Referred::Qualified { activity_id: activity.id, due_time }));
        }
    }
}
