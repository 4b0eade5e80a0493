//! When a rule holds, in the local time of the program: from a time to a time, and within each recurrence of
//! RFC 5545. Recurrences are counted in local time and written out once, so a rule that holds on Saturdays
//! holds from local midnight to local midnight whatever the clocks do.

use ambient::Time;
use chrono::{NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use rrule::RRuleSet;

use super::super::calendar::instant;
use super::rule::Window;

/// Recurrences that are written out at most: 54 years of days.
const RECURRENCES_MAX: u16 = 20_000;
/// A year in minutes.
const MINUTES_MAX: u32 = 527_040;

/// A window, ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Times {
    start: Time,
    end: Time,
    /// In order; `None`: always.
    within: Option<Vec<(Time, Time)>>,
}

impl Times {
    /// Writes a window out in a zone.
    ///
    /// # Errors
    /// The field that is wrong, and what it must be.
    pub(super) fn try_new(window: &Window, zone: Tz) -> Result<Times, (&'static str, String)> {
        const LOCAL: &str = "must be a local time such as 2026-12-01T00:00:00";
        let local = |text: &str| text.parse::<NaiveDateTime>().ok();
        let moment = |field: &'static str, text: &str, otherwise: Time| match text {
            "" => Ok(otherwise),
            text => local(text).map(|at| instant(zone, at)).ok_or_else(|| (field, LOCAL.to_owned())),
        };
        let start = moment("start", &window.start, Time::MIN)?;
        let end = moment("end", &window.end, Time::NEVER)?;
        if end <= start {
            return Err(("end", "must be later than start".into()));
        }
        if window.recurrence.is_empty() {
            return match window.minutes {
                0 => Ok(Times { start, end, within: None }),
                _ => Err(("duration_minutes", "needs a recurrence".into())),
            };
        }
        let first =
            local(&window.start).ok_or(("start", "is needed to count recurrences from".to_owned()))?;
        if !(1..=MINUTES_MAX).contains(&window.minutes) {
            return Err(("duration_minutes", format!("must be from 1 to {MINUTES_MAX}")));
        }
        let length = TimeDelta::minutes(i64::from(window.minutes));
        let starts = recurrences(first, &window.recurrence).map_err(|told| ("recurrence", told))?;
        let spans = starts
            .into_iter()
            .filter_map(|from| Some((instant(zone, from), instant(zone, from.checked_add_signed(length)?))));
        Ok(Times { start, end, within: Some(spans.collect()) })
    }

    /// True at this moment.
    pub(super) fn holds(&self, at: Time) -> bool {
        let in_span = |spans: &Vec<(Time, Time)>| {
            // Recurrences may overlap: any that began may still last.
            let begun = spans.partition_point(|(from, _)| *from <= at);
            spans.iter().take(begun).rev().take(OVERLAP_MAX).any(|(_, to)| at < *to)
        };
        self.start <= at && at < self.end && self.within.as_ref().is_none_or(in_span)
    }
}

/// Recurrences that may last at the same time: those of a day within the longest one.
const OVERLAP_MAX: usize = 366;

fn recurrences(first: NaiveDateTime, rule: &str) -> Result<Vec<NaiveDateTime>, String> {
    let upper = rule.to_ascii_uppercase();
    let named = |name: &str| upper.split(';').any(|part| part == format!("FREQ={name}"));
    if !["DAILY", "WEEKLY", "MONTHLY", "YEARLY"].into_iter().any(named) {
        return Err("must be an RFC 5545 rule with FREQ=DAILY, WEEKLY, MONTHLY or YEARLY".into());
    }
    if ["BYHOUR", "BYMINUTE", "BYSECOND"].into_iter().any(|part| upper.contains(part)) {
        return Err("must not name hours, minutes or seconds; `start` says when it begins".into());
    }
    // Local times, written as if they were UTC: the zone comes in when they are made moments.
    let text = format!("DTSTART:{}\nRRULE:{upper}", first.format("%Y%m%dT%H%M%SZ"));
    let set: RRuleSet = text.parse().map_err(|error| format!("is not an RFC 5545 rule: {error}"))?;
    let dates = set.all(RECURRENCES_MAX).dates;
    if dates.is_empty() {
        return Err("never recurs".into());
    }
    Ok(dates.into_iter().map(|date| chrono::Utc.from_utc_datetime(&date.naive_utc()).naive_utc()).collect())
}
