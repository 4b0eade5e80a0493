//! When a rule holds, in the local time of the program: from a time to a time, and within each recurrence of
//! RFC 5545. Recurrences are counted in local time and written out once, when a rule is first asked, so a
//! rule that holds on Saturdays holds from local midnight to local midnight whatever the clocks do.

use std::sync::{Arc, OnceLock};

use ambient::Time;
use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
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
    /// `None`: always.
    within: Option<Arc<Recurrences>>,
}

/// What lasts so long from each recurrence on.
#[derive(Debug)]
struct Recurrences {
    first: NaiveDateTime,
    rule: String,
    zone: Tz,
    length: TimeDelta,
    spans: OnceLock<Vec<(Time, Time)>>,
}

impl PartialEq for Recurrences {
    fn eq(&self, other: &Recurrences) -> bool {
        let Recurrences { first, rule, zone, length, .. } = self;
        (first, rule, zone, length) == (&other.first, &other.rule, &other.zone, &other.length)
    }
}

impl Eq for Recurrences {}

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
        let rule = local_rule(&window.recurrence).map_err(|told| ("recurrence", told))?;
        let recurrences = Recurrences { first, rule, zone, length, spans: OnceLock::new() };
        if recurrences.starts(1).map_err(|told| ("recurrence", told))?.is_empty() {
            return Err(("recurrence", "never recurs".into()));
        }
        Ok(Times { start, end, within: Some(Arc::new(recurrences)) })
    }

    /// True at this moment.
    pub(super) fn holds(&self, at: Time) -> bool {
        let in_span = |recurrences: &Arc<Recurrences>| {
            // They may overlap: any that began may still last.
            let spans = recurrences.spans();
            let begun = spans.partition_point(|(from, _)| *from <= at);
            spans.iter().take(begun).rev().take(OVERLAP_MAX).any(|(_, to)| at < *to)
        };
        self.start <= at && at < self.end && self.within.as_ref().is_none_or(in_span)
    }
}

/// Recurrences that may last at the same time: those of a day within the longest one.
const OVERLAP_MAX: usize = 366;

impl Recurrences {
    /// In their order.
    fn spans(&self) -> &[(Time, Time)] {
        self.spans.get_or_init(|| {
            let instant = |at| instant(self.zone, at);
            let span =
                |from: NaiveDateTime| Some((instant(from), instant(from.checked_add_signed(self.length)?)));
            let starts = self.starts(RECURRENCES_MAX).unwrap_or_default();
            starts.into_iter().filter_map(span).collect()
        })
    }

    /// So many of them at most. Local times, written as if they were UTC: the zone comes in when they are
    /// made moments.
    fn starts(&self, limit: u16) -> Result<Vec<NaiveDateTime>, String> {
        let text = format!("DTSTART:{}\nRRULE:{}", self.first.format(AS_UTC), self.rule);
        let set: RRuleSet = text.parse().map_err(|error| format!("is not an RFC 5545 rule: {error}"))?;
        Ok(set.all(limit).dates.into_iter().map(|date| date.naive_utc()).collect())
    }
}

fn local_rule(rule: &str) -> Result<String, String> {
    let upper = rule.to_ascii_uppercase();
    let named = |name: &str| upper.split(';').any(|part| part == format!("FREQ={name}"));
    if !["DAILY", "WEEKLY", "MONTHLY", "YEARLY"].into_iter().any(named) {
        return Err("must be an RFC 5545 rule with FREQ=DAILY, WEEKLY, MONTHLY or YEARLY".into());
    }
    if ["BYHOUR", "BYMINUTE", "BYSECOND"].into_iter().any(|part| upper.contains(part)) {
        return Err("must not name hours, minutes or seconds; `start` says when it begins".into());
    }
    let parts: Result<Vec<String>, String> = upper.split(';').map(as_utc).collect();
    Ok(parts?.join(";"))
}

const AS_UTC: &str = "%Y%m%dT%H%M%SZ";

/// A part of a rule; if it says until when, as if that were UTC. It is a local time, or a day, whose end is
/// meant. A `Z` at its end changes nothing: it has no place beside a local start.
fn as_utc(part: &str) -> Result<String, String> {
    let Some(until) = part.strip_prefix("UNTIL=") else { return Ok(part.to_owned()) };
    let time = NaiveDateTime::parse_from_str(until.strip_suffix('Z').unwrap_or(until), "%Y%m%dT%H%M%S").ok();
    let day = || NaiveDate::parse_from_str(until, "%Y%m%d").ok()?.and_hms_opt(23, 59, 59);
    let local = time.or_else(day).ok_or("must name UNTIL as 20261231 or 20261231T235959")?;
    Ok(format!("UNTIL={}", local.format(AS_UTC)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixture::at;

    #[test]
    fn recurrences_end_in_local_time() {
        let zone: Tz = "America/New_York".parse().unwrap();
        let until = |until: &str| {
            let window = Window {
                start: "2026-02-01T20:00:00".into(),
                end: String::new(),
                recurrence: format!("FREQ=DAILY;UNTIL={until}"),
                minutes: 60,
            };
            Times::try_new(&window, zone)
        };
        for (told, last) in [
            ("20260228", 28),
            ("20260227T200000", 27),
            ("20260227T195959", 26),
            ("20260227T200000Z", 27),
            ("20260227T195959Z", 26),
            ("99991231T235959Z", 28),
        ] {
            let times = until(told).unwrap();
            // Half past eight in the evening is the next day in UTC.
            let holds = (1..=28).filter(|day| {
                let evening = at(&format!("2026-02-{day:02}T01:30:00Z")).plus_micros(86_400_000_000);
                times.holds(evening)
            });
            assert_eq!(holds.max(), Some(last), "{told}");
        }
        assert!(until("tomorrow").unwrap_err().1.contains("UNTIL"));
    }
}
