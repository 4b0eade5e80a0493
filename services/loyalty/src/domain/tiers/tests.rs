//! Tiers of every policy on days that matter, and two ways to one standing.

use ambient::Time;
use chrono::{Days, NaiveDate};
use proptest::prelude::*;

use super::super::calendar::start_of_day;
use super::super::fixture::at;
use super::*;

const UTC: chrono_tz::Tz = chrono_tz::UTC;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Base, silver from 10 (kept with 8), gold from 25 (kept with 20).
fn ladder(window: Window, downgrade: Downgrade, grace_days: u32) -> Ladder {
    let tier = |id: &str, entry, keep| Tier { keep, ..Tier::plain(id, entry) };
    let policy = TierPolicy { window, downgrade, grace_days, ..TierPolicy::default() };
    Ladder {
        tiers: vec![tier("base", 0, 0), tier("silver", 10, 8), tier("gold", 25, 20)],
        policy,
        before: Vec::new(),
    }
}

fn derived(ladder: &Ladder, days: &[(&str, i64)], today: &str) -> Standing {
    let days = days.iter().map(|(date, credits)| (day(date), *credits)).collect();
    let past = Past { days, rows: Vec::new() };
    past.standing(ladder, at("2020-03-10T12:00:00Z"), day(today), UTC).unwrap()
}

fn rank_and_end(standing: Standing) -> (u32, Option<String>) {
    (standing.rank, standing.until.map(|until| until.to_string()))
}

#[test]
fn a_tier_of_a_calendar_year_is_held_through_the_next_and_the_grace() {
    let ladder = ladder(Window::CalendarYear, Downgrade::Recalculate, 30);
    let gold = [("2020-06-01", 25)];
    for (today, rank, until) in [
        ("2020-06-01", 3, Some("2022-01-31")),
        ("2022-01-30", 3, Some("2022-01-31")),
        ("2022-01-31", 1, None),
    ] {
        let expected = (rank, until.map(ToOwned::to_owned));
        assert_eq!(rank_and_end(derived(&ladder, &gold, today)), expected, "{today}");
    }
    // What was enough to stay in the year between keeps it for another year; a little less leads to silver.
    let kept = [("2020-06-01", 25), ("2021-12-31", 20)];
    assert_eq!(rank_and_end(derived(&ladder, &kept, "2022-06-01")), (3, Some("2023-01-31".into())));
    let missed = [("2020-06-01", 25), ("2021-12-31", 19)];
    assert_eq!(rank_and_end(derived(&ladder, &missed, "2022-01-31")), (2, Some("2023-01-31".into())));
    // Within the grace it can still be kept.
    let late = [("2020-06-01", 25), ("2022-01-30", 20)];
    assert_eq!(rank_and_end(derived(&ladder, &late, "2022-02-01")), (3, Some("2024-01-31".into())));
}

#[test]
fn one_down_goes_step_by_step_and_never_does_not_go() {
    let gold = [("2020-06-01", 25)];
    let one_down = ladder(Window::CalendarYear, Downgrade::OneDown, 0);
    let ranks = ["2021-12-31", "2022-01-01", "2022-12-31", "2023-01-01"];
    let ranks = ranks.map(|today| derived(&one_down, &gold, today).rank);
    assert_eq!(ranks, [3, 2, 2, 1]);
    let never = ladder(Window::CalendarYear, Downgrade::Never, 0);
    assert_eq!(rank_and_end(derived(&never, &gold, "2030-01-01")), (3, None));
}

#[test]
fn an_anniversary_counts_from_the_day_of_joining() {
    let ladder = ladder(Window::Anniversary, Downgrade::Recalculate, 0);
    // The two halves lie in one calendar year but on both sides of 10 March.
    let split = [("2021-03-09", 13), ("2021-03-10", 12)];
    assert_eq!(rank_and_end(derived(&ladder, &split, "2021-03-10")), (2, Some("2023-03-10".into())));
    let together = [("2021-03-10", 13), ("2022-03-09", 12)];
    assert_eq!(rank_and_end(derived(&ladder, &together, "2022-03-09")), (3, Some("2023-03-10".into())));
}

#[test]
fn a_rolling_window_forgets_day_by_day_and_holds_from_the_last_day_that_kept() {
    let ladder = ladder(Window::RollingMonths(12), Downgrade::Recalculate, 0);
    let days = [("2021-02-28", 10), ("2021-08-15", 10), ("2021-12-01", 5), ("2022-03-01", 1)];
    let gold = derived(&ladder, &days, "2021-12-01");
    assert_eq!((gold.progress, rank_and_end(gold)), (25, (3, Some("2022-12-01".into()))));
    // On 1 March 2022 those of 28 February 2021 are gone: 16 do not keep gold.
    let later = derived(&ladder, &days, "2022-03-01");
    assert_eq!((later.progress, rank_and_end(later)), (16, (3, Some("2022-12-01".into()))));
    assert_eq!(later.first_day, Some(day("2021-08-15")));
    let ended = derived(&ladder, &days, "2022-12-01");
    assert_eq!((ended.progress, rank_and_end(ended)), (1, (1, None)));
}

#[test]
fn a_lifetime_tier_is_only_lost_by_what_is_taken_back() {
    let ladder = ladder(Window::Lifetime, Downgrade::Recalculate, 0);
    let days = [("2001-01-01", 9), ("2020-06-01", 1)];
    assert_eq!(rank_and_end(derived(&ladder, &days, "2050-01-01")), (2, None));
    let returned = [("2001-01-01", 9), ("2020-06-01", 0)];
    assert_eq!(rank_and_end(derived(&ladder, &returned, "2050-01-01")), (1, None));
}

#[test]
fn what_becomes_known_late_takes_the_place_of_what_was_known() {
    let ladder = ladder(Window::CalendarYear, Downgrade::Recalculate, 0);
    let row = |seq, rank, text: &str| TierRow {
        seq,
        rank,
        effective_time: at(text),
        known_time: at(text),
        superseded_time: Time::NEVER,
    };
    let mut past = Past::default();
    past.days.extend([(day("2021-03-01"), 10), (day("2021-06-01"), 15)]);
    past.rows.extend([row(1, 2, "2021-03-01T10:00:00Z"), row(2, 3, "2021-06-01T10:00:00Z")]);
    let derive =
        |past: &Past| past.derive(&ladder, at("2020-01-01T00:00:00Z"), day("2021-07-01"), UTC).unwrap();
    let same = derive(&past);
    assert_eq!((same.kept, same.added, same.standing.since), (2, vec![], at("2021-06-01T10:00:00Z")));
    past.days.insert(day("2021-04-15"), 15);
    let earlier = derive(&past);
    let since = at("2021-04-15T00:00:00Z");
    assert_eq!((earlier.kept, earlier.added, earlier.standing.since), (1, vec![(3, since)], since));
    past.days.insert(day("2021-03-01"), 0);
    past.days.remove(&day("2021-04-15"));
    let later = derive(&past);
    assert_eq!((later.kept, later.added), (0, vec![(2, at("2021-06-01T00:00:00Z"))]));
    assert_eq!(past.rank_at(1, at("2021-05-31T23:59:59Z")), 2, "until the rows are replaced");
}

fn downgrades() -> impl Strategy<Value = Downgrade> {
    prop_oneof![Just(Downgrade::Recalculate), Just(Downgrade::OneDown), Just(Downgrade::Never)]
}

fn windows() -> impl Strategy<Value = Window> {
    prop_oneof![
        Just(Window::CalendarYear),
        Just(Window::Anniversary),
        (1..26_u32).prop_map(Window::RollingMonths),
        Just(Window::Lifetime),
    ]
}

proptest! {
    /// Credits in the order of their days, with any pauses between, lead where all days together lead.
    #[test]
    fn step_by_step_leads_where_all_days_lead(
        window in windows(),
        downgrade in downgrades(),
        grace_days in prop_oneof![Just(0_u32), 1..181_u32],
        steps in proptest::collection::vec((0..300_u64, 0..14_i64, 0..200_u64), 1..40),
    ) {
        let ladder = ladder(window, downgrade, grace_days);
        let opened = at("2020-02-29T12:00:00Z");
        let mut today = day("2020-02-29");
        let mut past = Past::default();
        let mut standing = Standing::opened(&ladder, opened, UTC);
        for (pause, credits, look) in steps {
            today = today + Days::new(pause);
            let go = |standing, days: &DayCredits, until: NaiveDate, credits| {
                let opened = super::super::calendar::local_date(UTC, opened);
                let mut course =
                    Course { ladder: &ladder, opened, days: Some(days), standing, steps: Vec::new() };
                if credits > 0 {
                    course.credit(until, credits).unwrap();
                }
                course.advance(until).unwrap();
                course.standing
            };
            standing = go(standing, &past.days, today, credits);
            if credits > 0 {
                past.add(today, credits).unwrap();
            }
            // Somebody looks now and then, which must not matter.
            today = today + Days::new(look);
            standing = go(standing, &past.days, today, 0);
            let all = past.standing(&ladder, opened, today, UTC).unwrap();
            let seen = |s: Standing| (s.rank, s.until, s.progress, s.first_day.filter(|_| s.progress != 0));
            prop_assert_eq!(seen(standing), seen(all));
            prop_assert!(standing.due(&ladder, day("2020-02-29"), UTC) > start_of_day(UTC, today));
        }
    }

    /// The progress is the sum of the days of the window, whatever the window.
    #[test]
    fn progress_is_the_sum_of_the_window(
        window in windows(),
        days in proptest::collection::btree_map(0..2_000_u64, 0..9_i64, 0..60),
        end in 0..2_400_u64,
    ) {
        let ladder = ladder(window, Downgrade::Recalculate, 0);
        let (first, opened) = (day("2018-07-31"), at("2020-02-29T12:00:00Z"));
        let today = first + Days::new(end);
        let days: DayCredits = days.into_iter().map(|(n, credits)| (first + Days::new(n), credits)).collect();
        let joined = day("2020-02-29");
        let stays = |date| window.drop_day(joined, date).is_none_or(|drops| drops > today);
        let inside = |date: NaiveDate| date <= today && stays(date);
        let sum: i64 = days.iter().filter(|(date, _)| inside(**date)).map(|(_, credits)| credits).sum();
        let standing = Past { days, rows: Vec::new() }.standing(&ladder, opened, today, UTC).unwrap();
        prop_assert_eq!(standing.progress, sum);
    }
}

#[test]
fn days_are_those_of_the_local_clock_on_the_nights_in_which_it_is_changed() {
    let opened = at("2023-03-01T12:00:00Z");
    for (zone, window, bought, tier_ends) in [
        // The last moment of a year, and the first of the next, thirteen hours ahead of UTC.
        ("Pacific/Auckland", Window::CalendarYear, "2025-12-31T10:59:59Z", "2026-12-31T11:00:00Z"),
        ("Pacific/Auckland", Window::CalendarYear, "2025-12-31T11:00:00Z", "2027-12-31T11:00:00Z"),
        // The night of 30 March 2025 has no hour after two: the day begins in winter and ends in summer.
        ("Europe/Berlin", Window::RollingMonths(12), "2025-03-29T23:00:00Z", "2026-03-29T22:00:00Z"),
        // Midnight does not exist on 7 September 2025: that day begins at one.
        ("America/Santiago", Window::RollingMonths(3), "2025-06-07T12:00:00Z", "2025-09-07T04:00:00Z"),
        // Whoever joined on 29 February begins anew on the last of February of other years.
        ("America/New_York", Window::Anniversary, "2024-03-05T12:00:00Z", "2026-02-28T05:00:00Z"),
    ] {
        let zone: chrono_tz::Tz = zone.parse().unwrap();
        let opened = if window == Window::Anniversary { at("2024-02-29T18:00:00Z") } else { opened };
        let mut ledger = crate::domain::fixture::Ledger::opened(opened);
        ledger.program.time_zone = zone;
        ledger.program.ladder = Ladder {
            policy: TierPolicy { window, ..TierPolicy::default() },
            ..Ladder::of(vec![Tier::plain("base", 0), Tier::plain("silver", 10_000_000)])
        };
        let (bought, end) = (at(bought), at(tier_ends));
        ledger.earn(10, bought, bought).unwrap();
        let rank_at = |now| {
            let mut ledger = ledger.clone();
            ledger.run(&crate::domain::Command::Settle, now).unwrap();
            ledger.state.wallet.tier.rank
        };
        assert_eq!(
            [rank_at(bought), rank_at(end.plus_micros(-1)), rank_at(end)],
            [2, 2, 1],
            "{zone} {bought}"
        );
    }
}
