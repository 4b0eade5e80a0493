//! The wire's shapes of a program and of its policies, in both directions.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};

use super::tier_wire::{policy_message, tier_message};
use super::wire::{money, timestamp};
use crate::domain::{EarningRule, Expiry, Life, Money, MonthDay, Period, Program, Release};

/// The name given, or the identifier if none is.
pub(super) fn named(given: &str, id: &str) -> String {
    if given.is_empty() { id.to_owned() } else { given.to_owned() }
}

/// What a program's etag is as long as it does not change.
pub(super) fn etag(program: &Program) -> String {
    program.version.to_string()
}

pub(super) fn release(given: Option<&pb::ReleasePolicy>) -> Release {
    use pb::release_policy::Policy;
    match given.and_then(|given| given.policy) {
        None => Release::AtOnce,
        Some(Policy::AfterDays(days)) => Release::AfterDays(days.unsigned_abs()),
        Some(Policy::OnConfirmation(_)) => Release::OnConfirmation,
    }
}

pub(super) fn expiry(given: Option<&pb::ExpiryPolicy>, path: &Path<'_>, found: &mut Violations) -> Expiry {
    use pb::expiry_policy::Policy;
    let Some(given) = given else { return Expiry::NEVER };
    let life = match given.policy {
        None => Life::Never,
        Some(Policy::RollingDays(days)) => Life::RollingDays(days.unsigned_abs()),
        Some(Policy::RollingMonths(months)) => Life::RollingMonths(months.unsigned_abs()),
        Some(Policy::Annual(annual)) => {
            match MonthDay::try_new(annual.month.unsigned_abs(), annual.day.unsigned_abs()) {
                Some(day) => Life::Annual { day, years_later: annual.years_later.unsigned_abs() },
                None => {
                    let path = path.field("expiry_policy");
                    found.add(&path.field("annual"), "day", "must be a day that the month has in some year");
                    Life::Never
                }
            }
        }
    };
    let rolling = matches!(life, Life::RollingDays(_) | Life::RollingMonths(_));
    if given.sliding && !rolling {
        found.add(&path.field("expiry_policy"), "sliding", "needs rolling_days or rolling_months");
    }
    Expiry { life, round_to: Period::from_number(given.round_to), sliding: given.sliding }
}

pub(super) fn program_message(program: &Program) -> pb::Program {
    use pb::expiry_policy::Policy;
    let amount = |micros: i64| Some(money(Money { currency: program.currency, micros }));
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let policy = match program.expiry.life {
        Life::Never => None,
        Life::RollingDays(days) => Some(Policy::RollingDays(count(days))),
        Life::RollingMonths(months) => Some(Policy::RollingMonths(count(months))),
        Life::Annual { day, years_later } => Some(Policy::Annual(pb::AnnualExpiry {
            month: count(day.month()),
            day: count(day.day()),
            years_later: count(years_later),
        })),
    };
    let sliding = program.expiry.sliding;
    let round_to = program.expiry.round_to.map_or(0, |period| period as i32);
    let release = match program.release {
        Release::AtOnce => None,
        Release::AfterDays(days) => Some(pb::release_policy::Policy::AfterDays(count(days))),
        Release::OnConfirmation => Some(pb::release_policy::Policy::OnConfirmation(true)),
    };
    let rule = |rule: EarningRule| pb::EarningRule {
        points: rule.points,
        per: amount(rule.per_micros),
        version: EarningRule::VERSION,
    };
    pb::Program {
        program_id: program.id.clone(),
        display_name: program.display_name.clone(),
        time_zone: program.time_zone.name().to_owned(),
        money_currency_code: program.currency.code().to_owned(),
        point_currency: Some(pb::PointCurrency {
            code: program.points.code.clone(),
            display_name: program.points.display_name.clone(),
        }),
        earning_rule: program.rule.map(rule),
        expiry_policy: policy.map(|policy| pb::ExpiryPolicy { policy: Some(policy), round_to, sliding }),
        tiers: program.ladder.tiers.iter().map(|tier| tier_message(program, tier)).collect(),
        version: program.version,
        create_time: Some(timestamp(program.create_time)),
        release_policy: release.map(|policy| pb::ReleasePolicy { policy: Some(policy) }),
        return_policy: program.return_policy as i32,
        etag: etag(program),
        tier_policy: policy_message(program),
    }
}
