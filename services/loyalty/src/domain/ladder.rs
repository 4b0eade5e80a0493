//! Tiers by spend: a ladder of thresholds over the calendar year of the program's zone.
//!
//! A tier is reached as soon as the year's spend reaches its threshold and holds to the end of the
//! following year. Then the tier of the year just ended applies.

use ambient::Time;
use chrono_tz::Tz;

use super::calendar::start_of_year;

/// The tiers of a program, lowest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// Lowest first; the first threshold is 0. Empty: no tiers.
    pub tiers: Vec<Tier>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Identifier, unique within the program.
    pub id: String,
    /// A name for people.
    pub display_name: String,
    /// Spend within a calendar year that reaches it, in millionths of the currency's unit.
    pub threshold_micros: i64,
}

/// What a wallet spent in one local calendar year and the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct YearSpend {
    /// The local year.
    pub year: i32,
    /// Spend in it so far, in millionths of the currency's unit.
    pub current_micros: i64,
    /// Spend in the year before.
    pub previous_micros: i64,
}

/// Where a wallet stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierStatus {
    /// Current tier; empty without a ladder.
    pub tier_id: String,
    /// Its position from 1; 0 without a ladder.
    pub rank: u32,
    /// When it ends unless it is earned again.
    pub end_time: Time,
    /// Spend of the current year.
    pub progress_micros: i64,
    /// Next tier and the spend missing within the year; nothing on the highest.
    pub next: Option<(String, i64)>,
    /// Spend missing within the year to keep the tier through the next.
    pub to_stay_micros: i64,
}

impl Ladder {
    /// The highest step whose threshold this spend reaches, from 1; 0 without tiers.
    fn reached(&self, spend_micros: i64) -> u32 {
        let reached = self.tiers.iter().take_while(|t| t.threshold_micros <= spend_micros).count();
        let lowest = usize::from(!self.tiers.is_empty());
        u32::try_from(reached.max(lowest)).unwrap_or(u32::MAX)
    }

    /// The current tier's position, from 1; 0 without tiers.
    pub fn rank(&self, spend: YearSpend) -> u32 {
        self.reached(spend.current_micros).max(self.reached(spend.previous_micros))
    }

    /// The tier's position at a past moment: the last change up to then, of which `before` is one and `later`
    /// are those that were decided after it; the lowest if there was none.
    pub fn rank_then(&self, before: Option<(Time, u32)>, later: &[(Time, u32)], at: Time) -> u32 {
        let later = later.iter().copied().filter(|(since, _)| *since <= at);
        // Of changes at the same moment the one that was decided last counts.
        let last = before.into_iter().chain(later).max_by_key(|(since, _)| *since);
        last.map_or_else(|| self.rank(YearSpend::default()), |(_, rank)| rank)
    }

    /// The tier at a position, from 1.
    pub fn tier(&self, rank: u32) -> Option<&Tier> {
        self.tiers.get(usize::try_from(rank).ok()?.checked_sub(1)?)
    }

    /// The id of the tier at a position; empty for 0.
    pub fn tier_id(&self, rank: u32) -> &str {
        self.tier(rank).map_or("", |t| t.id.as_str())
    }

    /// When the current tier ends unless it is earned again; the lowest never does.
    pub fn end_time(&self, spend: YearSpend, zone: Tz) -> Time {
        let rank = self.rank(spend);
        if rank <= 1 {
            return Time::NEVER;
        }
        let years = if self.reached(spend.current_micros) == rank { 2 } else { 1 };
        start_of_year(zone, spend.year.saturating_add(years))
    }

    /// Where a wallet with this spend stands.
    pub fn status(&self, spend: YearSpend, zone: Tz) -> TierStatus {
        let rank = self.rank(spend);
        let missing = |threshold: i64| threshold.saturating_sub(spend.current_micros).max(0);
        TierStatus {
            tier_id: self.tier_id(rank).to_owned(),
            rank,
            end_time: self.end_time(spend, zone),
            progress_micros: spend.current_micros,
            next: self.tier(rank.saturating_add(1)).map(|t| (t.id.clone(), missing(t.threshold_micros))),
            to_stay_micros: self.tier(rank).map_or(0, |t| missing(t.threshold_micros)),
        }
    }
}

impl YearSpend {
    /// The same spend seen from a later year.
    pub fn rolled_to(self, year: i32) -> YearSpend {
        match year.checked_sub(self.year) {
            Some(..=0) => self,
            Some(1) => YearSpend { year, current_micros: 0, previous_micros: self.current_micros },
            _ => YearSpend { year, current_micros: 0, previous_micros: 0 },
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests count in small numbers")]
mod tests {
    use super::*;

    fn ladder() -> Ladder {
        let tier = |id: &str, units: i64| Tier {
            id: id.into(),
            display_name: id.into(),
            threshold_micros: units * 1_000_000,
        };
        Ladder { tiers: vec![tier("base", 0), tier("silver", 1_000), tier("gold", 2_500)] }
    }

    fn spend(current: i64, previous: i64) -> YearSpend {
        YearSpend { year: 2017, current_micros: current, previous_micros: previous }
    }

    #[test]
    fn a_threshold_is_reached_exactly() {
        assert_eq!(ladder().rank(spend(999_999_999, 0)), 1);
        assert_eq!(ladder().rank(spend(1_000_000_000, 0)), 2);
        assert_eq!(Ladder::default().rank(spend(1_000_000_000, 0)), 0);
    }

    #[test]
    fn a_tier_holds_to_the_end_of_the_following_year() {
        let zone = chrono_tz::UTC;
        let earned = spend(2_500_000_000, 0);
        assert_eq!(ladder().end_time(earned, zone), start_of_year(zone, 2019));
        let kept = earned.rolled_to(2018);
        assert_eq!(ladder().rank(kept), 3);
        assert_eq!(ladder().end_time(kept, zone), start_of_year(zone, 2019));
        assert_eq!(ladder().rank(kept.rolled_to(2019)), 1);
        assert_eq!(ladder().rank(earned.rolled_to(2019)), 1);
    }

    #[test]
    fn status_says_what_is_missing() {
        let status = ladder().status(spend(300_000_000, 1_000_000_000), chrono_tz::UTC);
        assert_eq!((status.tier_id.as_str(), status.rank), ("silver", 2));
        assert_eq!(status.next, Some(("gold".into(), 2_200_000_000)));
        assert_eq!(status.to_stay_micros, 700_000_000);
        assert_eq!(status.end_time, start_of_year(chrono_tz::UTC, 2018));
    }
}
