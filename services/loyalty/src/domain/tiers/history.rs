//! The tiers that a wallet had, as they are known now, and how they are derived again.

use ambient::Time;
use chrono::NaiveDate;
use chrono_tz::Tz;

use super::super::Refusal;
use super::super::calendar::{local_date, start_of_day};
use super::course::{Course, Step};
use super::ladder::Ladder;
use super::standing::{DayCredits, Standing};

/// A tier from a moment on, as it was known for a time. Never changed but once: when it is superseded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierRow {
    /// Numbers the rows of a wallet without gaps.
    pub seq: i64,
    /// The position of the tier.
    pub rank: u32,
    /// From when on.
    pub effective_time: Time,
    /// When it became known.
    pub known_time: Time,
    /// When other knowledge took its place; `NEVER` if it holds.
    pub superseded_time: Time,
}

/// What decisions look at that reach back before the wallet's standing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// All credits.
    pub days: DayCredits,
    /// The rows that hold, by effective time and number.
    pub rows: Vec<TierRow>,
}

/// A history derived again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::domain) struct Derived {
    pub(in crate::domain) standing: Standing,
    /// How many of the rows still hold; those after them do not.
    pub(in crate::domain) kept: usize,
    /// What follows them: tiers and from when on.
    pub(in crate::domain) added: Vec<(u32, Time)>,
}

impl Past {
    /// The tier at a moment, of a wallet that began with `first`.
    pub fn rank_at(&self, first: u32, at: Time) -> u32 {
        let last = self.rows.iter().rfind(|row| row.effective_time <= at);
        last.map_or(first, |row| row.rank)
    }

    /// Adds credits of a day.
    pub(in crate::domain) fn add(&mut self, day: NaiveDate, credits: i64) -> Result<(), Refusal> {
        let sum = self.days.entry(day).or_default();
        *sum = sum.checked_add(credits).ok_or(Refusal::AmountOverflow)?;
        Ok(())
    }

    /// Adds a row in its place.
    pub(in crate::domain) fn insert(&mut self, row: TierRow) {
        let place = |row: &TierRow| (row.effective_time, row.seq);
        let at = self.rows.partition_point(|other| place(other) <= place(&row));
        self.rows.insert(at, row);
    }

    /// What it is after these credits and rows.
    pub(in crate::domain) fn evolve(&mut self, credits: &DayCredits, rows: &[TierRow]) {
        for (day, credits) in credits {
            let sum = self.days.entry(*day).or_default();
            *sum = sum.saturating_add(*credits);
        }
        for row in rows {
            if row.superseded_time.is_never() {
                self.insert(*row);
            } else {
                self.rows.retain(|other| other.seq != row.seq);
            }
        }
    }

    /// What was before a local day, and so many credits of that day.
    pub fn up_to(self, day: NaiveDate, credits: i64) -> Past {
        let mut days: DayCredits = self.days.into_iter().filter(|(date, _)| *date < day).collect();
        days.insert(day, credits);
        Past { days, ..self }
    }

    /// The standing that follows from the days.
    ///
    /// # Errors
    /// `AmountOverflow`.
    pub fn standing(
        &self,
        ladder: &Ladder,
        opened: Time,
        today: NaiveDate,
        zone: Tz,
    ) -> Result<Standing, Refusal> {
        Ok(self.derive(ladder, opened, today, zone)?.standing)
    }

    /// Derives the standing at the beginning of `today` from all days up to then, and how the history differs
    /// from the rows. A tier that is reached on the day on which it was known to be reached keeps its moment;
    /// any other is reached when its day begins.
    ///
    /// # Errors
    /// `AmountOverflow`.
    pub(in crate::domain) fn derive(
        &self,
        ladder: &Ladder,
        opened: Time,
        today: NaiveDate,
        zone: Tz,
    ) -> Result<Derived, Refusal> {
        let standing = Standing::opened(ladder, opened, zone);
        let (days, opened) = (Some(&self.days), local_date(zone, opened));
        let mut course = Course { ladder, opened, days, standing, steps: Vec::new() };
        // A day of which all was taken back is as if nothing had been.
        for (day, credits) in self.days.range(..=today).filter(|(_, credits)| **credits > 0) {
            course.credit(*day, *credits)?;
        }
        course.advance(today)?;
        let known = by_day(self.rows.iter().map(|row| (local_date(zone, row.effective_time), row.rank)));
        let found = by_day(course.steps.iter().map(|step: &Step| (step.day, step.rank)));
        let same = known.iter().zip(&found).take_while(|(a, b)| (a.day, a.rank) == (b.day, b.rank)).count();
        let kept = known.get(..same).and_then(<[_]>::last).map_or(0, |last| last.rows);
        let added: Vec<(u32, Time)> =
            found.iter().skip(same).map(|day| (day.rank, start_of_day(zone, day.day))).collect();
        let kept_since =
            kept.checked_sub(1).and_then(|last| self.rows.get(last)).map(|row| row.effective_time);
        let since = added.last().map(|(_, at)| *at).or(kept_since).unwrap_or(standing.since);
        Ok(Derived { standing: Standing { since, ..course.standing }, kept, added })
    }
}

/// The last tier of a day, and how many changes there were up to its end.
struct OfDay {
    day: NaiveDate,
    rank: u32,
    rows: usize,
}

fn by_day(changes: impl Iterator<Item = (NaiveDate, u32)>) -> Vec<OfDay> {
    let mut days: Vec<OfDay> = Vec::new();
    for (rows, (day, rank)) in (1..).zip(changes) {
        match days.last_mut().filter(|last| last.day == day) {
            Some(last) => (last.rank, last.rows) = (rank, rows),
            None => days.push(OfDay { day, rank, rows }),
        }
    }
    days
}
