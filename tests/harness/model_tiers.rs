//! A model of tiers, written from the design page alone: every day from the first to the last is looked at,
//! and every sum is taken anew.

use chrono::{Datelike, Days, Months, NaiveDate};

const JANUARY: NaiveDate = NaiveDate::from_ymd_opt(2020, 1, 1).expect("a date");

/// Over which days spend is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// A calendar year.
    CalendarYear,
    /// A year from the day of the year of joining on.
    Anniversary,
    /// So many months up to the day.
    Months(u32),
    /// All.
    Lifetime,
}

/// What follows a tier that was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Falls {
    /// The highest that is kept.
    Recalculate,
    /// The one below, if that is higher.
    OneDown,
    /// Nothing.
    Never,
}

/// A ladder: a tier is reached and kept with the same spend.
#[derive(Clone, Copy, Debug)]
pub struct Tiers {
    /// Dollars that reach the tiers above the lowest.
    pub dollars: &'static [i64],
    /// Over which days.
    pub span: Span,
    /// How tiers are lost.
    pub falls: Falls,
    /// How much longer they are held.
    pub grace_days: u32,
    /// What holds from a day on.
    pub later: Option<Later>,
}

/// Other terms.
#[derive(Clone, Copy, Debug)]
pub struct Later {
    /// They hold from so many days after joining on.
    pub days: u64,
    /// Dollars that reach the tiers above the lowest.
    pub dollars: &'static [i64],
    /// How tiers are lost.
    pub falls: Falls,
    /// How much longer they are held.
    pub grace_days: u32,
}

impl Tiers {
    /// The tier at the end of `today`, from 1, given what was spent: cents and their days.
    pub fn at(&self, joined: NaiveDate, spent: &[(NaiveDate, i64)], today: NaiveDate) -> usize {
        let first = spent.iter().map(|(day, _)| *day).min().unwrap_or(today);
        let (mut rank, mut until) = (1, None);
        for day in first.iter_days().take_while(|day| *day <= today) {
            if until == Some(day) {
                (rank, until) = self.fall(joined, spent, rank, day);
            }
            let changes = self.later.is_some_and(|later| day == joined + Days::new(later.days));
            let risen = self.reached(joined, day, self.sum(joined, spent, day, false));
            if changes && risen > rank {
                (rank, until) = (risen, self.hold(joined, day));
            } else if changes && (until.is_none() || self.on(joined, day).falls == Falls::Never) {
                until = self.hold(joined, day).filter(|_| rank > 1);
            }
            let bought = spent.iter().any(|(date, cents)| *date == day && *cents > 0);
            let reached = self.reached(joined, day, self.sum(joined, spent, day, true));
            if bought && reached >= rank && reached > 1 {
                (rank, until) = (reached, self.hold(joined, day));
            }
        }
        rank
    }

    fn fall(
        &self,
        joined: NaiveDate,
        spent: &[(NaiveDate, i64)],
        rank: usize,
        day: NaiveDate,
    ) -> (usize, Option<NaiveDate>) {
        let Later { falls, grace_days, .. } = self.on(joined, day);
        if falls == Falls::Never {
            return (rank, None);
        }
        let by_now = self.reached(joined, day, self.sum(joined, spent, day, false)).min(rank);
        let (before, end) = match self.span {
            Span::CalendarYear | Span::Anniversary => {
                let last = self.start(joined, day) - Days::new(1);
                let anniversary = if self.span == Span::Anniversary { joined } else { JANUARY };
                let next = on(self.start(joined, day).year() + 1, anniversary);
                (self.reached(joined, day, self.sum(joined, spent, last, true)), next)
            }
            Span::Months(months) => (1, day + Months::new(months)),
            Span::Lifetime => unreachable!("a tier of a lifetime has no end"),
        };
        let before = before.min(rank).max(if falls == Falls::OneDown { rank - 1 } else { 1 });
        if by_now >= before && by_now > 1 {
            return (by_now, self.hold(joined, day));
        }
        (before, (before > 1).then(|| end + Days::new(grace_days.into())))
    }

    /// The first day without a tier that was reached or kept on `day`.
    fn hold(&self, joined: NaiveDate, day: NaiveDate) -> Option<NaiveDate> {
        let Later { falls, grace_days, .. } = self.on(joined, day);
        let end = match self.span {
            _ if falls == Falls::Never => return None,
            Span::Lifetime => return None,
            Span::Months(months) => day + Months::new(months),
            Span::CalendarYear => on(day.year() + 2, JANUARY),
            Span::Anniversary => on(self.start(joined, day).year() + 2, joined),
        };
        Some(end + Days::new(grace_days.into()))
    }

    /// What holds on a day.
    fn on(&self, joined: NaiveDate, day: NaiveDate) -> Later {
        let Tiers { dollars, falls, grace_days, .. } = *self;
        let first = Later { days: 0, dollars, falls, grace_days };
        self.later.filter(|later| joined + Days::new(later.days) <= day).unwrap_or(first)
    }

    fn reached(&self, joined: NaiveDate, day: NaiveDate, cents: i64) -> usize {
        1 + self.on(joined, day).dollars.iter().filter(|dollars| **dollars * 100 <= cents).count()
    }

    /// The first day of the period of a day.
    fn start(&self, joined: NaiveDate, day: NaiveDate) -> NaiveDate {
        match self.span {
            Span::CalendarYear => on(day.year(), JANUARY),
            Span::Anniversary if on(day.year(), joined) <= day => on(day.year(), joined),
            Span::Anniversary => on(day.year() - 1, joined),
            Span::Months(_) | Span::Lifetime => NaiveDate::MIN,
        }
    }

    /// What was spent in the window of `day` up to it, with or without the day itself.
    fn sum(&self, joined: NaiveDate, spent: &[(NaiveDate, i64)], day: NaiveDate, with: bool) -> i64 {
        let counts = |date: NaiveDate| {
            let still = match self.span {
                Span::Months(months) => date + Months::new(months) > day,
                _ => date >= self.start(joined, day),
            };
            still && (date < day || with && date == day)
        };
        spent.iter().filter(|(date, _)| counts(*date)).map(|(_, cents)| cents).sum()
    }
}

/// The same day of another year; 29 February is the 28th where there is none.
fn on(year: i32, day: NaiveDate) -> NaiveDate {
    let date = NaiveDate::from_ymd_opt(year, day.month(), day.day());
    date.or_else(|| NaiveDate::from_ymd_opt(year, 2, 28)).expect("a date")
}
