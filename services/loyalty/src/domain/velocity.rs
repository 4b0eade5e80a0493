//! Velocity limits: how much may move, and how often, in an hour, a day or a month.
//!
//! A limit looks at what a command did, in the same decision: a command that goes beyond it is refused, or
//! waits for a review, and counts only once it is done. Periods are those of the calendar in the program's
//! time zone, of the moment at which an activity happened and of the present for everything else.

use std::collections::BTreeMap;

use ambient::Time;
use chrono::{Datelike, Timelike};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::book::{Book, plus};
use super::rules::{CapOf, Counter};
use super::{Command, CreateRedemption, Moved, Program, Refusal};

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VelocityLimit {
    /// The caller's own identifier, unique within the program.
    pub id: String,
    /// What it looks at.
    pub movement: Movement,
    /// Whose movements count together.
    pub of: CapOf,
    /// When they start anew.
    pub window: VelocityWindow,
    /// So many commands at most.
    pub count_max: Option<i64>,
    /// So many points at most.
    pub points_max: Option<i64>,
    /// What becomes of a command beyond it.
    pub breach: Breach,
}

/// What moves points. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Movement {
    /// Activities that are recorded.
    Earn = 1,
    /// Rewards that are redeemed, or held to be.
    Redeem = 2,
    /// Points that are given to other members.
    Transfer = 3,
    /// Points that are given or taken by hand.
    Adjust = 4,
}

/// When a count starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VelocityWindow {
    /// With each hour of the clock.
    Hour,
    /// With each day.
    Day,
    /// With each month.
    Month,
}

/// What becomes of a command that goes beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Breach {
    /// It is refused.
    Refuse,
    /// It waits until somebody approves or rejects it.
    Review,
}

impl Movement {
    /// The movement with this number.
    pub fn from_number(number: i32) -> Option<Movement> {
        use Movement::{Adjust, Earn, Redeem, Transfer};
        [Earn, Redeem, Transfer, Adjust].into_iter().find(|movement| *movement as i32 == number)
    }

    fn name(self) -> &'static str {
        match self {
            Movement::Earn => "earn",
            Movement::Redeem => "redeem",
            Movement::Transfer => "transfer",
            Movement::Adjust => "adjust",
        }
    }
}

impl VelocityLimit {
    /// What it counts at a moment: commands, and their points.
    fn counters(&self, zone: Tz, at: Time) -> [Counter; 2] {
        let local = at.utc().with_timezone(&zone);
        let digits = |more: i32, of: u32| more.saturating_mul(100).saturating_add(number(of));
        let day = digits(digits(local.year(), local.month()), local.day());
        let (window, period_start) = match self.window {
            VelocityWindow::Hour => ("hour", digits(day, local.hour())),
            VelocityWindow::Day => ("day", day),
            VelocityWindow::Month => ("month", day.div_euclid(100)),
        };
        let movement = self.movement.name();
        ["count", "points"].map(|what| Counter {
            of: self.of,
            name: format!("velocity:{movement}:{window}:{what}"),
            period_start,
        })
    }
}

fn number(of: u32) -> i32 {
    i32::try_from(of).unwrap_or(i32::MAX)
}

/// The movement that a command is, and the moment that it counts at.
fn movement(command: &Command, now: Time) -> Option<(Movement, Time)> {
    match command {
        Command::RecordActivity(record) => Some((Movement::Earn, record.occurred_at(now))),
        Command::RedeemReward(_) | Command::CreateRedemption(_) => Some((Movement::Redeem, now)),
        Command::TransferPoints(_) => Some((Movement::Transfer, now)),
        Command::AdjustPoints(_) => Some((Movement::Adjust, now)),
        _ => None,
    }
}

impl Program {
    /// The counters of limits that a command counts under.
    pub fn velocity_counters(&self, command: &Command, now: Time) -> Vec<Counter> {
        let Some((movement, at)) = movement(command, now) else { return Vec::new() };
        let limits = self.velocity.iter().filter(|limit| limit.movement == movement);
        limits.flat_map(|limit| limit.counters(self.time_zone, at)).collect()
    }

    /// Refuses that so many points of a currency are redeemed if that is beyond a limit, given what was
    /// counted.
    ///
    /// # Errors
    /// `VelocityExceeded` or `ReviewRequired`, or `AmountOverflow` if the count would not fit.
    pub fn allow_redeeming(
        &self,
        (points, code): (i64, &str),
        used: &BTreeMap<Counter, i64>,
        now: Time,
    ) -> Result<(), Refusal> {
        self.count((Movement::Redeem, now), &Moved::of(self, code, points), used, false).map(|_| ())
    }

    /// What a movement of so many points adds to counters, unless it is beyond a limit and was not approved.
    /// What one limit refuses does not wait for a review that another one asks for. Points of further
    /// currencies are not added to those of the main one.
    fn count(
        &self,
        (movement, at): (Movement, Time),
        asked: &Moved,
        used: &BTreeMap<Counter, i64>,
        approved: bool,
    ) -> Result<BTreeMap<Counter, i64>, Refusal> {
        let points = if asked.currency == self.points.code { asked.points } else { 0 };
        let mut counted = BTreeMap::new();
        let mut breached: Vec<&VelocityLimit> = Vec::new();
        for limit in self.velocity.iter().filter(|limit| limit.movement == movement) {
            let maxima = [(1, limit.count_max), (points, limit.points_max)];
            for (counter, (more, max)) in limit.counters(self.time_zone, at).into_iter().zip(maxima) {
                let after = plus(used.get(&counter).copied().unwrap_or(0), more)?;
                if !approved && more > 0 && max.is_some_and(|max| after > max) {
                    breached.push(limit);
                }
                // Limits of the same window share what they count.
                counted.insert(counter, more);
            }
        }
        let refuses = breached.iter().find(|limit| limit.breach == Breach::Refuse);
        match refuses.or(breached.first()) {
            None => Ok(counted),
            Some(VelocityLimit { id, breach: Breach::Refuse, .. }) => {
                Err(Refusal::VelocityExceeded { limit_id: id.clone() })
            }
            Some(VelocityLimit { id, breach: Breach::Review, .. }) => {
                Err(Refusal::ReviewRequired { limit_id: id.clone(), asked: asked.clone() })
            }
        }
    }
}

/// Counts what the command did, and refuses what is beyond a limit unless it was approved.
pub(super) fn check(
    book: &mut Book<'_>,
    command: &Command,
    used: &BTreeMap<Counter, i64>,
    approved: bool,
) -> Result<(), Refusal> {
    let limited = movement(command, book.now).filter(|_| !book.program.velocity.is_empty());
    let Some((movement, at)) = limited else { return Ok(()) };
    let of = |code: &str, points: i64| Moved::of(book.program, code, points);
    let (member_id, asked) = match command {
        Command::RecordActivity(record) => {
            (record.member_id, of("", book.out.recorded.as_ref().map_or(0, |done| done.main().points)))
        }
        Command::RedeemReward(what) | Command::CreateRedemption(CreateRedemption { what, .. }) => {
            let made = book.out.redemption.as_ref();
            (what.member_id, made.map_or_else(|| of("", 0), |made| Moved::by(book.program, made)))
        }
        Command::TransferPoints(transfer) => (transfer.member_id, of(&transfer.currency, transfer.points)),
        Command::AdjustPoints(adjust) => (adjust.member_id, of(&adjust.currency, adjust.points)),
        _ => return Ok(()),
    };
    let mut counted = book.program.count((movement, at), &asked, used, approved)?.into_iter();
    counted.try_for_each(|(counter, more)| book.count(member_id, counter, more))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Ledger, adjust, at, purchase, redeem};
    use super::super::{Refusal, Reply};
    use super::*;

    fn limit(movement: Movement, window: VelocityWindow) -> VelocityLimit {
        VelocityLimit {
            id: "limit".into(),
            movement,
            of: CapOf::Member,
            window,
            count_max: None,
            points_max: None,
            breach: Breach::Refuse,
        }
    }

    fn review(limit_id: &str, points: i64) -> Refusal {
        let asked = Moved { points, currency: "points".into(), money: None };
        Refusal::ReviewRequired { limit_id: limit_id.into(), asked }
    }

    #[test]
    fn windows_are_those_of_the_local_clock() {
        let zone = chrono_tz::Europe::Berlin;
        let of = |window, moment: &str| {
            let [count, points] = limit(Movement::Earn, window).counters(zone, at(moment));
            assert_eq!(count.period_start, points.period_start);
            (count.name, count.period_start)
        };
        let hour = ("velocity:earn:hour:count".to_owned(), 2_027_010_100);
        assert_eq!(of(VelocityWindow::Hour, "2026-12-31T23:30:00Z"), hour);
        let [first, second] = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"];
        assert_eq!(of(VelocityWindow::Hour, first), of(VelocityWindow::Hour, second), "half past two, twice");
        assert_eq!(of(VelocityWindow::Day, "2026-10-24T22:00:00Z").1, 20_261_025);
        assert_eq!(of(VelocityWindow::Day, "2026-10-25T22:59:59Z").1, 20_261_025, "a day of 25 hours");
        assert_eq!(of(VelocityWindow::Day, "2026-12-31T23:30:00Z").1, 20_270_101);
        assert_eq!(of(VelocityWindow::Month, "2026-12-31T22:30:00Z").1, 202_612);
    }

    #[test]
    fn what_is_beyond_a_limit_is_refused_and_not_counted() {
        let now = at("2026-05-05T10:15:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.program.velocity =
            vec![VelocityLimit { points_max: Some(100), ..limit(Movement::Adjust, VelocityWindow::Hour) }];
        assert_eq!(ledger.run(&adjust(60, None), now), Ok(Reply::Done));
        let beyond = Err(Refusal::VelocityExceeded { limit_id: "limit".into() });
        assert_eq!(ledger.run(&adjust(41, None), now), beyond);
        assert_eq!(ledger.run(&adjust(-40, None), now), Ok(Reply::Done), "what is taken counts too");
        assert_eq!(ledger.run(&adjust(1, None), now), beyond);
        let later = at("2026-05-05T11:00:00Z");
        assert_eq!(ledger.run(&adjust(1, None), later), Ok(Reply::Done));
        assert_eq!(ledger.available(), 21);
    }

    #[test]
    fn what_a_limit_refuses_does_not_wait_and_what_moves_nothing_is_within_any() {
        let now = at("2026-05-05T10:15:00Z");
        let mut ledger = Ledger::opened(now);
        let day = limit(Movement::Adjust, VelocityWindow::Day);
        let soft = VelocityLimit { points_max: Some(100), breach: Breach::Review, ..day.clone() };
        let hard = VelocityLimit { id: "hard".into(), points_max: Some(1_000), ..day };
        ledger.program.velocity = vec![soft, hard];
        assert_eq!(ledger.run(&adjust(500, None), now), Err(review("limit", 500)));
        assert_eq!(
            ledger.run(&adjust(1_001, None), now),
            Err(Refusal::VelocityExceeded { limit_id: "hard".into() })
        );
        ledger.program.velocity.iter_mut().for_each(|limit| limit.movement = Movement::Redeem);
        let [_, points] = limit(Movement::Redeem, VelocityWindow::Day).counters(chrono_tz::UTC, now);
        let used = BTreeMap::from([(points, 5_000)]);
        assert_eq!(ledger.program.allow_redeeming((0, ""), &used, now), Ok(()));
        assert!(ledger.program.allow_redeeming((1, ""), &used, now).is_err());
    }

    #[test]
    fn whoever_looks_first_is_told_what_would_be_refused() {
        let now = at("2026-05-05T10:15:00Z");
        let mut ledger = Ledger::opened(now);
        ledger.earn(1_000, now, now).unwrap();
        let day = limit(Movement::Redeem, VelocityWindow::Day);
        ledger.program.velocity = vec![
            VelocityLimit { points_max: Some(250), ..day.clone() },
            VelocityLimit { id: "often".into(), count_max: Some(2), breach: Breach::Review, ..day },
        ];
        let looked =
            |ledger: &Ledger, points| ledger.program.allow_redeeming((points, ""), &ledger.used, now);
        let (beyond, waits) = (Refusal::VelocityExceeded { limit_id: "limit".into() }, review("often", 50));
        assert_eq!((looked(&ledger, 250), looked(&ledger, 251)), (Ok(()), Err(beyond.clone())));
        let stars = ledger.program.allow_redeeming((251, "stars"), &ledger.used, now);
        assert_eq!(stars, Ok(()), "limits look at the points of the main currency");
        for _ in 0..2 {
            assert_eq!(looked(&ledger, 100), Ok(()));
            ledger.run(&redeem(1), now).unwrap();
        }
        for (points, refusal) in [(100, beyond), (50, waits)] {
            ledger.reward.price.points = points;
            assert_eq!(looked(&ledger, points), Err(refusal.clone()));
            assert_eq!(ledger.run(&redeem(1), now), Err(refusal));
        }
    }

    #[test]
    fn two_limits_of_one_window_count_once() {
        let now = at("2026-05-05T10:15:00Z");
        let mut ledger = Ledger::opened(now);
        let day = limit(Movement::Earn, VelocityWindow::Day);
        ledger.program.velocity = vec![
            VelocityLimit { count_max: Some(2), ..day.clone() },
            VelocityLimit { id: "points".into(), points_max: Some(1_000), breach: Breach::Review, ..day },
        ];
        assert!(ledger.run(&purchase(10_000_000, None), now).is_ok());
        let large = ledger.run(&purchase(2_000_000_000, None), now);
        assert_eq!(large, Err(review("points", 2_000)));
        assert!(ledger.run(&purchase(10_000_000, None), now).is_ok());
        let third = ledger.run(&purchase(10_000_000, None), now);
        assert_eq!(third, Err(Refusal::VelocityExceeded { limit_id: "limit".into() }));
    }
}
