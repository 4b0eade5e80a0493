//! Referrals: a member brings a friend, and what the friend does first rewards both.
//!
//! A reward is an activity of its own kind on either side, so rules say what it earns, caps bound it and it
//! is explained like any other.

use ambient::Time;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Activity, ActivityKind, ActivityState};

/// What a friend must do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferralPolicy {
    /// Kinds of activities that qualify; purchases if empty.
    pub kinds: Vec<ActivityKind>,
    /// What must be paid at least, in millionths of the currency's unit.
    pub min_micros: i64,
    /// The activity must stand for so many times 24 hours before both are rewarded.
    pub wait_days: u32,
    /// It must happen within so many times 24 hours after the friend joined; 0: whenever.
    pub within_days: u32,
}

/// Where a referral stands. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ReferralState {
    /// The friend has not done yet what qualifies.
    Open = 1,
    /// The friend has, and it must stand for a while.
    Qualified = 2,
    /// Both were rewarded.
    Rewarded = 3,
}

/// What a command changes of a friend's referral.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Referred {
    /// It is waited for another activity that qualifies.
    Open {
        /// Than this one.
        activity_id: Uuid,
    },
    /// This one does, if it stands until then.
    Qualified {
        /// The activity.
        activity_id: Uuid,
        /// Until when.
        due_time: Time,
    },
}

const DAY_MICROS: i64 = 86_400_000_000;

impl ReferralState {
    /// The state with this stored number.
    pub fn from_number(number: i32) -> Option<ReferralState> {
        use ReferralState::{Open, Qualified, Rewarded};
        [Open, Qualified, Rewarded].into_iter().find(|state| *state as i32 == number)
    }
}

impl ReferralPolicy {
    /// Whether an activity rewards a friend who joined at `joined`, and if so when.
    pub(super) fn due(&self, activity: &Activity, joined: Time) -> Option<Time> {
        let days = |days: u32| i64::from(days).saturating_mul(DAY_MICROS);
        let at = activity.occurred_time;
        let kind = match self.kinds.as_slice() {
            [] => activity.kind == ActivityKind::Purchase,
            kinds => kinds.contains(&activity.kind),
        };
        let in_time = self.within_days == 0 || at < joined.plus_micros(days(self.within_days));
        let paid = activity.residual_micros() >= self.min_micros;
        (kind && paid && in_time && at >= joined).then(|| at.plus_micros(days(self.wait_days)))
    }
}

impl Activity {
    /// Whether it still rewards a friend, under what the program asks now: nothing of it was taken back, or
    /// what is left of it would be enough.
    pub fn still_rewards(&self, policy: Option<&ReferralPolicy>) -> bool {
        match self.state {
            ActivityState::Recorded => true,
            ActivityState::PartlyReversed => {
                policy.is_none_or(|policy| self.residual_micros() >= policy.min_micros)
            }
            ActivityState::Reversed | ActivityState::Cancelled => false,
        }
    }
}

/// The code by which a member brings friends: twelve letters and digits that cannot be mistaken for each
/// other, made of what is random in the member's id.
pub fn referral_code(member_id: Uuid) -> String {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let (high, low) = member_id.as_u64_pair();
    let random = low.rotate_left(4) ^ high;
    let letter = |n: u32| {
        let five = random.checked_shr(n.saturating_mul(5)).unwrap_or(0) % 32;
        usize::try_from(five)
            .ok()
            .and_then(|five| LETTERS.get(five))
            .map_or('0', |letter| char::from(*letter))
    };
    (0..12).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::fixture::{DAY, at, usd};
    use super::super::{Detail, Money, Pinned};
    use super::*;

    fn purchase(micros: i64, occurred_time: Time) -> Activity {
        Activity {
            id: Uuid::from_u128(7),
            member_id: Uuid::from_u128(1),
            kind: ActivityKind::Purchase,
            occurred_time,
            amount: Some(Money { currency: usd(), micros }),
            external_id: String::new(),
            earned: Vec::new(),
            credits: 0,
            state: ActivityState::Recorded,
            returned_micros: 0,
            outstanding: Vec::new(),
            detail: Detail::default(),
            pinned: Pinned::default(),
        }
    }

    #[test]
    fn what_is_enough_soon_enough_qualifies() {
        let joined = at("2024-01-01T00:00:00Z");
        let policy = ReferralPolicy { kinds: Vec::new(), min_micros: 50, wait_days: 14, within_days: 30 };
        let later = |days: i64| joined.plus_micros(days * DAY);
        assert_eq!(policy.due(&purchase(50, later(3)), joined), Some(later(17)));
        assert_eq!(policy.due(&purchase(49, later(3)), joined), None);
        assert_eq!(policy.due(&purchase(50, later(30)), joined), None);
        assert_eq!(
            policy.due(&purchase(50, later(30).plus_micros(-1)), joined),
            Some(later(44).plus_micros(-1))
        );
        assert_eq!(policy.due(&purchase(50, later(-1)), joined), None, "before the friend joined");
        let visit = Activity { kind: ActivityKind::Visit, ..purchase(50, later(3)) };
        assert_eq!(policy.due(&visit, joined), None);
        let visits = ReferralPolicy { kinds: vec![ActivityKind::Visit], within_days: 0, ..policy };
        assert_eq!(visits.due(&visit, joined), Some(later(17)));
        let part = Activity { returned_micros: 10, ..purchase(59, later(3)) };
        assert_eq!(visits.due(&Activity { kind: ActivityKind::Visit, ..part }, joined), None);
    }

    #[test]
    fn what_is_left_must_be_enough() {
        let policy = ReferralPolicy { kinds: Vec::new(), min_micros: 50, wait_days: 14, within_days: 30 };
        let rest = |state: ActivityState, left: i64| {
            let whole = purchase(80, at("2024-01-01T00:00:00Z"));
            Activity { state, returned_micros: 80 - left, ..whole }.still_rewards(Some(&policy))
        };
        assert!(rest(ActivityState::PartlyReversed, 50));
        assert!(!rest(ActivityState::PartlyReversed, 49));
        assert!(!rest(ActivityState::Reversed, 0));
        assert!(!rest(ActivityState::Cancelled, 0));
        let asked_more_since = ReferralPolicy { min_micros: 90, ..policy };
        let whole = purchase(80, at("2024-01-01T00:00:00Z"));
        assert!(whole.still_rewards(Some(&asked_more_since)) && whole.still_rewards(None));
    }

    #[test]
    fn codes_are_short_and_differ() {
        let codes: BTreeSet<String> = (0..10_000_u128)
            .map(|n| referral_code(Uuid::new_v5(&Uuid::NAMESPACE_OID, &n.to_be_bytes())))
            .collect();
        assert_eq!(codes.len(), 10_000);
        let fits = |c: char| c.is_ascii_digit() || (c.is_ascii_uppercase() && !"ILOU".contains(c));
        assert!(codes.iter().all(|code| code.len() == 12 && code.chars().all(fits)));
    }
}
