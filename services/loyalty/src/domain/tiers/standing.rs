//! Where a wallet stands on the ladder of its program.

use std::collections::BTreeMap;

use ambient::Time;
use chrono::NaiveDate;
use chrono_tz::Tz;

use super::super::calendar::{local_date, start_of_day};
use super::ladder::Ladder;
use super::window::first_day;

/// Credits by local day.
pub type DayCredits = BTreeMap<NaiveDate, i64>;

/// What is known of a wallet's tier at the beginning of a local day and of the credits of that day so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The position of the current tier, from 1; 0 without tiers.
    pub rank: u32,
    /// When it was reached; the wallet's own beginning if it never changed.
    pub since: Time,
    /// The first day without it unless it is qualified for again; none if it does not end.
    pub until: Option<NaiveDate>,
    /// The day. Credits of earlier days derive the standing again.
    pub day: NaiveDate,
    /// The first day of the window: of a period its first, of a rolling window the first with credits.
    pub first_day: Option<NaiveDate>,
    /// Credits of the window.
    pub progress: i64,
    /// Credits of the period before; 0 for rolling windows.
    pub previous: i64,
}

/// Where a wallet stands, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierStatus {
    /// Current tier; empty without a ladder.
    pub tier_id: String,
    /// Its position from 1; 0 without a ladder.
    pub rank: u32,
    /// When it was reached.
    pub since: Time,
    /// When it ends unless it is qualified for again.
    pub until: Time,
    /// Credits of the current window.
    pub progress: i64,
    /// Next tier and the credits missing within the window; nothing on the highest.
    pub next: Option<(String, i64)>,
    /// Credits missing within the window to keep the tier for longer: if 0, none, or any more will do.
    pub to_stay: i64,
}

impl Standing {
    /// That of a wallet that begins at `since`.
    pub fn opened(ladder: &Ladder, since: Time, zone: Tz) -> Standing {
        Standing {
            rank: ladder.first_of(local_date(zone, since)),
            since,
            until: None,
            day: first_day(),
            first_day: None,
            progress: 0,
            previous: 0,
        }
    }

    /// The first day on which something changes without credits.
    pub(super) fn due_day(&self, ladder: &Ladder, opened: NaiveDate) -> Option<NaiveDate> {
        let change = self.next_change(ladder, opened);
        [self.until, self.drop_day(ladder, opened), change].into_iter().flatten().min()
    }

    /// The first day on which other terms hold: for who has credits, after them; otherwise, after joining.
    pub(super) fn next_change(&self, ladder: &Ladder, opened: NaiveDate) -> Option<NaiveDate> {
        let nothing_yet = self.first_day.is_none();
        ladder.next_change(if nothing_yet { self.day.max(opened) } else { self.day })
    }

    /// The first day on which credits leave the window.
    pub(super) fn drop_day(&self, ladder: &Ladder, opened: NaiveDate) -> Option<NaiveDate> {
        let window = ladder.policy.window;
        let first = self.first_day.filter(|_| self.progress != 0 || !window.is_period())?;
        window.drop_day(opened, first)
    }

    /// When something next changes without credits.
    pub fn due(&self, ladder: &Ladder, opened: NaiveDate, zone: Tz) -> Time {
        self.due_day(ladder, opened).map_or(Time::NEVER, |day| start_of_day(zone, day))
    }

    /// For people, on a local day.
    pub fn status(&self, ladder: &Ladder, zone: Tz, today: NaiveDate) -> TierStatus {
        let terms = ladder.on(today);
        let missing = |credits: i64| credits.saturating_sub(self.progress).max(0);
        let next = terms.tier(self.rank.saturating_add(1));
        let stays = terms.tier(self.rank).filter(|_| self.until.is_some());
        TierStatus {
            tier_id: ladder.tier_id(self.rank).to_owned(),
            rank: self.rank,
            since: self.since,
            until: self.until.map_or(Time::NEVER, |day| start_of_day(zone, day)),
            progress: self.progress,
            next: next.map(|tier| (tier.id.clone(), missing(tier.entry))),
            to_stay: stays.map_or(0, |tier| missing(tier.keep)),
        }
    }
}
