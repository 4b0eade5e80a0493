//! When points that were granted may be spent.

use ambient::Time;

/// When points are released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// As soon as they are earned.
    AtOnce,
    /// This many times 24 hours after the activity.
    AfterDays(u32),
    /// When their activity is confirmed.
    OnConfirmation,
}

impl Release {
    /// From when points of an activity that happened at `at` may be spent; `NEVER` if only a confirmation
    /// releases them.
    pub fn activate_time(self, at: Time) -> Time {
        const DAY_MICROS: i64 = 86_400_000_000;
        match self {
            Release::AtOnce => at,
            Release::AfterDays(days) => {
                at.plus_micros(DAY_MICROS.saturating_mul(i64::from(days))).min(Time::MAX)
            }
            Release::OnConfirmation => Time::NEVER,
        }
    }
}
