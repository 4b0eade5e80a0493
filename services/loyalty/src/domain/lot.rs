//! Lots: points that were credited together and expire together.

use ambient::Time;
use uuid::Uuid;

/// Order of debits within a purse: earliest expiry first, then the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LotKey {
    /// The purse that it is in.
    pub purse: u32,
    /// From when its points may no longer be spent.
    pub expire_time: Time,
    /// Its number within the wallet, from 1.
    pub number: i64,
}

/// One lot. It may be spent in the half-open interval from `activate_time` to `expire_time`, or to the moment
/// up to which its purse keeps all its points alive, if that is later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// Its place in the order of debits.
    pub key: LotKey,
    /// Points credited.
    pub points: i64,
    /// Points not yet debited.
    pub remaining: i64,
    /// From when its points may be spent; `NEVER` while they wait for a confirmation.
    pub activate_time: Time,
    /// Its points are granted but not yet released.
    pub pending: bool,
    /// Points of it that expired.
    pub expired: i64,
    /// Its activity was taken back, all of it or in part.
    pub returned: bool,
    /// The one in whose name it is left the wallet with all that it held: it gets nothing any more.
    pub left_behind: bool,
    /// In whose name it is: that of the wallet's owner, or of a member whose points are in it.
    pub member_id: Uuid,
    /// The activity that earned it; nil if none did.
    pub activity_id: Uuid,
    /// The version of the earning rule that granted it; 0 if none did.
    pub rule_version: i64,
    /// The lot of another wallet that it continues, if it does.
    pub origin: Option<Origin>,
}

/// Where the points of a lot came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The other wallet.
    pub wallet_id: Uuid,
    /// The number of its lot.
    pub lot_number: i64,
}

/// Points of one posting that came from one lot, or returned to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The posting.
    pub posting_seq: i64,
    /// The lot.
    pub lot_number: i64,
    /// How many points.
    pub points: i64,
    /// They returned to the lot.
    pub credit: bool,
    /// When the posting took effect.
    pub effective_time: Time,
}

impl Lot {
    /// It has points that may be spent.
    pub fn is_open(&self) -> bool {
        self.remaining > 0 && !self.pending
    }

    /// It has points that wait for their release.
    pub fn is_waiting(&self) -> bool {
        self.remaining > 0 && self.pending
    }
}
