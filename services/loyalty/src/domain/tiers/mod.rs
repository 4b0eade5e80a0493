//! Tiers: a ladder of thresholds on credits, and where a wallet stands on it.
//!
//! Credits are summed per local day. A [`Standing`] follows from those days alone: credits that come in the
//! order of their days are added to it; whatever comes late or is taken back derives it again from the days,
//! and with it the history of the wallet. Both ways lead to the same standing.

mod course;
mod history;
mod ladder;
mod standing;
mod window;

pub use history::{Past, TierRow};
pub use ladder::{Basis, Credits, Downgrade, Earlier, Ladder, Tier, TierPolicy};
pub use standing::{DayCredits, Standing, TierStatus};
pub use window::Window;

pub(super) use course::{Course, Step};

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests count in small numbers")]
mod tests;
