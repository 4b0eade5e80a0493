//! Postings: every movement of points between two accounts, immutable and numbered without gaps.

use ambient::Time;
use uuid::Uuid;

/// Accounts that points move between. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum Account {
    /// Member: granted, not yet released.
    Pending = 1,
    /// Member: may be spent.
    Available = 2,
    /// Member: reserved by open redemptions.
    Held = 3,
    /// Member: owed.
    Arrears = 4,
    /// Program: granted for activities.
    Issued = 5,
    /// Program: clawed back from activities.
    Reversed = 6,
    /// Program: spent on rewards.
    Redeemed = 7,
    /// Program: expired.
    Expired = 8,
    /// Program: adjusted by hand.
    Adjusted = 9,
    /// Program: owed for reversed activities and not taken back.
    Waived = 10,
    /// Program: on its way between two wallets.
    Transfer = 11,
}

impl Account {
    /// All accounts, in the order of their numbers.
    pub const ALL: [Account; 11] = [
        Account::Pending,
        Account::Available,
        Account::Held,
        Account::Arrears,
        Account::Issued,
        Account::Reversed,
        Account::Redeemed,
        Account::Expired,
        Account::Adjusted,
        Account::Waived,
        Account::Transfer,
    ];

    /// The account with this stored number.
    pub fn from_number(number: i32) -> Option<Account> {
        Account::ALL.into_iter().find(|a| *a as i32 == number)
    }

    /// True if a debit makes the account's total grow: what members owe and what programs gave out.
    pub fn grows_by_debit(self) -> bool {
        use Account::{Adjusted, Arrears, Issued, Transfer, Waived};
        matches!(self, Arrears | Issued | Adjusted | Waived | Transfer)
    }
}

/// Why points moved. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Reason {
    /// An activity earned them.
    Earn = 1,
    /// They reached the end of their life.
    Expire = 2,
    /// They bought a reward.
    Redeem = 3,
    /// Somebody gave or took them by hand.
    Adjust = 4,
    /// They were pending and may be spent from now on.
    Release = 5,
    /// Their activity was taken back, all of it or in part.
    Reverse = 6,
    /// They repaid what was owed.
    Repay = 7,
    /// Their activity was cancelled while they were pending.
    Cancel = 8,
    /// They had expired and were given back.
    Reinstate = 9,
    /// Their owner left.
    Forfeit = 10,
    /// They went from one wallet to another.
    Transfer = 11,
    /// They went along with their member, who was merged, joined a household, or came back.
    Move = 12,
    /// They were reserved for a reward.
    Hold = 13,
    /// They were reserved and are spent now.
    Capture = 14,
    /// They were reserved and may be spent again.
    Void = 15,
    /// They were spent and given back.
    Refund = 16,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 16] = [
        Reason::Earn,
        Reason::Expire,
        Reason::Redeem,
        Reason::Adjust,
        Reason::Release,
        Reason::Reverse,
        Reason::Repay,
        Reason::Cancel,
        Reason::Reinstate,
        Reason::Forfeit,
        Reason::Transfer,
        Reason::Move,
        Reason::Hold,
        Reason::Capture,
        Reason::Void,
        Reason::Refund,
    ];

    /// The reason with this stored number.
    pub fn from_number(number: i32) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| *reason as i32 == number)
    }
}

/// One movement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Number within the wallet, from 1.
    pub seq: i64,
    /// The purse: both accounts are of its currency.
    pub purse: u32,
    /// The account it leaves.
    pub debit: Account,
    /// The account it reaches.
    pub credit: Account,
    /// Whole points, positive.
    pub points: i64,
    /// Why.
    pub reason: Reason,
    /// When it took effect.
    pub effective_time: Time,
    /// When it was recorded.
    pub create_time: Time,
    /// What caused it.
    pub source: Source,
}

/// What caused a posting. Nil identifiers, 0 and the empty text stand for "nothing".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The member who acted.
    pub actor_member_id: Uuid,
    /// The activity.
    pub activity_id: Uuid,
    /// The redemption.
    pub redemption_id: Uuid,
    /// The version of the earning rule.
    pub rule_version: i64,
    /// Reason and approver of a manual adjustment, or why points were given away.
    pub note: String,
    /// The wallet on the other side of a transfer.
    pub other_wallet_id: Uuid,
}
