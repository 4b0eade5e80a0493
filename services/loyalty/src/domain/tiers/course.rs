//! How a standing goes on: day by day, with credits and without.

use chrono::NaiveDate;

use super::super::Refusal;
use super::ladder::{Downgrade, Ladder};
use super::standing::{DayCredits, Standing};

/// A standing on its way.
#[derive(Clone, Debug)]
pub(in crate::domain) struct Course<'a> {
    pub(in crate::domain) ladder: &'a Ladder,
    /// The local day on which the member joined.
    pub(in crate::domain) opened: NaiveDate,
    /// The days behind the standing; a rolling window needs them when credits leave it.
    pub(in crate::domain) days: Option<&'a DayCredits>,
    pub(in crate::domain) standing: Standing,
    /// Changes of the tier, in order.
    pub(in crate::domain) steps: Vec<Step>,
}

/// A change of the tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::domain) struct Step {
    /// The tier from then on.
    pub(in crate::domain) rank: u32,
    /// The local day.
    pub(in crate::domain) day: NaiveDate,
    /// It was reached by credits of that day; otherwise the tier before ended with the day before.
    pub(in crate::domain) reached: bool,
}

impl Course<'_> {
    /// Goes on to the beginning of a day.
    ///
    /// # Errors
    /// `AmountOverflow`.
    pub(in crate::domain) fn advance(&mut self, today: NaiveDate) -> Result<(), Refusal> {
        while let Some(day) = self.standing.due_day(self.ladder, self.opened).filter(|day| *day <= today) {
            let changes = self.standing.next_change(self.ladder, self.opened) == Some(day);
            self.drop_credits(day)?;
            if self.standing.until.is_some_and(|until| until <= day) {
                self.lapse(day);
            }
            if changes {
                self.lift(day);
            }
            self.standing.day = self.standing.day.max(day);
        }
        Ok(())
    }

    /// Adds credits of a day that is not before that of the standing.
    ///
    /// # Errors
    /// `AmountOverflow`.
    pub(in crate::domain) fn credit(&mut self, day: NaiveDate, credits: i64) -> Result<(), Refusal> {
        self.advance(day)?;
        self.begin_period(day);
        let at = &mut self.standing;
        at.progress = at.progress.checked_add(credits).ok_or(Refusal::AmountOverflow)?;
        at.first_day.get_or_insert(day);
        at.day = at.day.max(day);
        let (rank, progress) = (at.rank, at.progress);
        let terms = self.ladder.on(day);
        let reached = terms.reached(progress);
        let qualified = reached > rank || terms.tier(rank).is_some_and(|tier| tier.keep <= progress);
        if !qualified {
            return Ok(());
        }
        let rank = rank.max(reached);
        let until = self.ladder.end_of_hold(self.opened, day);
        self.become_tier(rank, until, day, true);
        Ok(())
    }

    fn become_tier(&mut self, rank: u32, until: Option<NaiveDate>, day: NaiveDate, reached: bool) {
        let at = &mut self.standing;
        at.until = until.filter(|_| rank > 1);
        if rank != at.rank {
            at.rank = rank;
            self.steps.push(Step { rank, day, reached });
        }
    }

    /// What leaves the window by a day leaves the progress.
    fn drop_credits(&mut self, day: NaiveDate) -> Result<(), Refusal> {
        let window = self.ladder.policy.window;
        if window.is_period() {
            self.begin_period(day);
            return Ok(());
        }
        while let Some(first) = self.standing.first_day {
            if window.drop_day(self.opened, first).is_none_or(|drops| drops > day) {
                break;
            }
            let days = self.days.expect("a rolling window that credits leave is given its days");
            let gone = days.get(&first).copied().unwrap_or(0);
            let at = &mut self.standing;
            at.progress = at.progress.checked_sub(gone).ok_or(Refusal::AmountOverflow)?;
            let mut later = days.range(first..).map(|(day, _)| *day).filter(|day| *day > first);
            at.first_day = later.next().filter(|next| *next <= at.day);
        }
        Ok(())
    }

    fn begin_period(&mut self, day: NaiveDate) {
        let window = self.ladder.policy.window;
        let start = window.start(self.opened, day);
        let at = &mut self.standing;
        if !window.is_period() || at.first_day == Some(start) {
            return;
        }
        let follows = at.first_day.is_some_and(|first| window.next(self.opened, first) == Some(start));
        if at.progress != 0 || at.previous != 0 {
            at.day = at.day.max(start);
        }
        at.previous = if follows { at.progress } else { 0 };
        (at.progress, at.first_day) = (0, Some(start));
    }

    /// Other terms hold from this day on: what counts may reach a higher tier by them, and a tier ends, or
    /// does not, as they say. Nobody falls by them before the tier ends.
    fn lift(&mut self, day: NaiveDate) {
        let (terms, until) = (self.ladder.on(day), self.ladder.end_of_hold(self.opened, day));
        let Standing { rank, progress, until: held, .. } = self.standing;
        let reached = terms.reached(progress);
        if reached > rank {
            self.become_tier(reached, until, day, false);
        } else if terms.downgrade == Downgrade::Never || held.is_none() {
            self.become_tier(rank, until, day, false);
        }
    }

    /// The tier ends on this day.
    fn lapse(&mut self, day: NaiveDate) {
        let Standing { rank, previous, progress, .. } = self.standing;
        let (window, terms) = (self.ladder.policy.window, self.ladder.on(day));
        if terms.downgrade == Downgrade::Never {
            self.standing.until = None;
            return;
        }
        let held = self.ladder.end_of_hold(self.opened, day);
        // What the period just ended keeps is held through this one.
        let held_on = if window.is_period() {
            terms.end(window.next(self.opened, window.start(self.opened, day)))
        } else {
            held
        };
        // By other terms than before, it may be kept after all.
        let by_now = terms.kept(rank, progress);
        let by_then = terms.kept(rank, previous);
        let (mut next, mut until) = if by_now >= by_then { (by_now, held) } else { (by_then, held_on) };
        let one_down = rank.saturating_sub(1);
        if terms.downgrade == Downgrade::OneDown && one_down > next {
            (next, until) = (one_down, held_on);
        }
        self.become_tier(next, until, day, false);
    }
}
