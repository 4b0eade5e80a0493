//! Tiers in the book: credits are added to the wallet's standing, or the standing is derived again.

use ambient::Time;
use chrono::NaiveDate;

use super::book::{Book, next};
use super::calendar::{local_date, start_of_day};
use super::tiers::{Course, DayCredits, Standing, Step, TierRow};
use super::{AtRisk, Event, Past, Refusal, TierStatus};

impl Book<'_> {
    /// Ends what ends by the present day: tiers, and windows of credits.
    pub(super) fn settle_tier(&mut self) -> Result<(), Refusal> {
        let today = self.local_day(self.now);
        let mut course = self.course();
        course.advance(today)?;
        let (standing, steps) = (course.standing, course.steps);
        self.go_on(standing, &steps, None)
    }

    /// Counts credits of an activity of the moment `at`, negative if they are taken back. A tier that changes
    /// by that changes at `effective`.
    pub(super) fn count_credits(&mut self, credits: i64, at: Time, effective: Time) -> Result<(), Refusal> {
        if credits == 0 {
            return Ok(());
        }
        let (day, today) = (self.local_day(at), self.local_day(self.now));
        self.out.credits.insert(day, credits);
        if let Some(past) = &mut self.past {
            past.add(day, credits)?;
        }
        if credits < 0 || !self.follows(day, today) {
            return self.derive(today, effective);
        }
        let mut course = self.course();
        course.credit(day, credits)?;
        course.advance(today)?;
        let (standing, steps) = (course.standing, course.steps);
        self.go_on(standing, &steps, Some(effective))
    }

    /// Counts what a member who comes or goes has done, each sum as `counted` says.
    pub(super) fn move_credits(
        &mut self,
        days: &DayCredits,
        counted: fn(i64) -> Option<i64>,
    ) -> Result<(), Refusal> {
        for (day, credits) in days {
            let credits = counted(*credits).ok_or(Refusal::AmountOverflow)?;
            self.out.credits.insert(*day, credits);
            let past = self.past.as_mut().expect("the past is given to what changes it");
            past.add(*day, credits)?;
        }
        if days.is_empty() { Ok(()) } else { self.derive(self.local_day(self.now), self.now) }
    }

    /// The tier in which an activity of this moment happened.
    pub(super) fn rank_at(&self, at: Time) -> u32 {
        let wallet = &self.out.wallet;
        if at >= wallet.tier.since || wallet.tier_seq == 0 {
            return wallet.tier.rank;
        }
        let past = self.past.as_ref().expect("the past is given to what reaches back before the standing");
        past.rank_at(self.program.ladder.first_of(self.local_day(wallet.open_time)), at)
    }

    pub(super) fn local_day(&self, at: Time) -> NaiveDate {
        local_date(self.program.time_zone, at)
    }

    fn course(&self) -> Course<'_> {
        let (ladder, wallet) = (&self.program.ladder, &self.out.wallet);
        let opened = self.local_day(wallet.open_time);
        let days = self.past.as_ref().map(|past| &past.days);
        Course { ladder, opened, days, standing: wallet.tier, steps: Vec::new() }
    }

    /// True if credits of a day can be added to the standing.
    fn follows(&self, day: NaiveDate, today: NaiveDate) -> bool {
        let window = self.program.ladder.policy.window;
        let opened = self.local_day(self.out.wallet.open_time);
        let is_dropped = || window.drop_day(opened, day).is_some_and(|drops| drops <= today);
        day >= self.out.wallet.tier.day && (window.is_period() || self.past.is_some() || !is_dropped())
    }

    /// Goes on by what was decided as of a moment, or by nothing but time: what changes by that is known when
    /// it begins, whenever somebody looks.
    fn go_on(&mut self, standing: Standing, steps: &[Step], effective: Option<Time>) -> Result<(), Refusal> {
        let mut since = standing.since;
        for step in steps {
            let day = || start_of_day(self.program.time_zone, step.day);
            let at = effective.filter(|_| step.reached).unwrap_or_else(day);
            // The history is in the order of time, whatever order the activities of a day come in.
            since = if self.out.wallet.tier_seq == 0 { at } else { at.max(since) };
            let known = if effective.is_some() { self.now } else { since };
            self.add_row(step.rank, since, known)?;
            self.tier_changed = Some(since);
        }
        self.out.wallet.tier = Standing { since, ..standing };
        Ok(())
    }

    fn derive(&mut self, today: NaiveDate, effective: Time) -> Result<(), Refusal> {
        let mut past: Past = self.past.take().expect("the past is given to what changes it");
        let (ladder, zone) = (&self.program.ladder, self.program.time_zone);
        let derived = past.derive(ladder, self.out.wallet.open_time, today, zone)?;
        for row in past.rows.drain(derived.kept..) {
            self.out.tier_rows.push(TierRow { superseded_time: self.now, ..row });
        }
        self.past = Some(past);
        for (rank, at) in derived.added {
            self.add_row(rank, at, self.now)?;
        }
        if derived.standing.rank != self.out.wallet.tier.rank {
            self.tier_changed = Some(effective);
        }
        self.out.wallet.tier = derived.standing;
        Ok(())
    }

    fn add_row(&mut self, rank: u32, effective_time: Time, known_time: Time) -> Result<(), Refusal> {
        let seq = next(&mut self.out.wallet.tier_seq)?;
        let superseded_time = Time::NEVER;
        let row = TierRow { seq, rank, effective_time, known_time, superseded_time };
        self.out.tier_rows.push(row);
        if let Some(past) = &mut self.past {
            past.insert(row);
        }
        Ok(())
    }

    /// When the owner is next to be warned that the tier ends.
    pub(super) fn next_tier_warn(&self) -> Time {
        let (policy, wallet) = (&self.program.ladder.policy, &self.out.wallet);
        let warns = policy.warn_days > 0 && !wallet.state.is_over();
        let wanted = |until: &NaiveDate| warns && wallet.tier_warned != Some(*until);
        let until = wallet.tier.until.filter(wanted);
        let day = until.and_then(|until| until.checked_sub_days(chrono::Days::new(policy.warn_days.into())));
        day.map_or(Time::NEVER, |day| start_of_day(self.program.time_zone, day))
    }

    /// Announces that the tier is about to end, once.
    pub(super) fn warn_of_tier(&mut self) {
        if self.next_tier_warn() > self.now {
            return;
        }
        let (ladder, zone) = (&self.program.ladder, self.program.time_zone);
        let status = self.out.wallet.tier.status(ladder, zone, self.local_day(self.now));
        self.out.wallet.tier_warned = self.out.wallet.tier.until;
        let to_stay = self.program.ladder.policy.amount(status.to_stay, self.program.currency);
        let TierStatus { tier_id, rank, until: end_time, .. } = status;
        self.announce(Event::TierAtRisk(AtRisk { tier_id, rank, end_time, to_stay }));
    }
}
