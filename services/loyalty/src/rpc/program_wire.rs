//! The wire's shapes of a program and of its policies, in both directions.

use proto::google::r#type as gtype;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};

use super::activity_wire::kinds;
use super::redemption_wire::redemption_policy_message;
use super::tier_wire::{earlier_message, policy_message, tier_message};
use super::velocity_wire::velocity_message;
use super::wire::{amount, money, timestamp};
use crate::domain::{
    Currency, CurrencyKind, EarningRule, Expiry, FurtherCurrency, Life, Money, MonthDay, Period,
    PointCurrency, Program, ReferralPolicy, Release,
};

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

/// What a point costs, in millionths of the unit of the program's money currency, if that is known; 0 if
/// nobody says.
pub(super) fn unit_cost(
    given: Option<&gtype::Money>,
    currency: Option<Currency>,
    path: &Path<'_>,
    found: &mut Violations,
) -> i64 {
    let Some(cost) = amount(given, path, "unit_cost", found) else { return 0 };
    if currency.is_some_and(|currency| currency != cost.currency) {
        found.add(path, "unit_cost", "must be in the program's money currency");
    }
    cost.micros
}

/// The further currencies of a program, whose main one has the code `main` and whose money is this one, if
/// that is known.
pub(super) fn further(
    given: &[pb::FurtherCurrency],
    (main, currency): (&str, Option<Currency>),
    path: &Path<'_>,
    found: &mut Violations,
) -> Vec<FurtherCurrency> {
    let mut further: Vec<FurtherCurrency> = Vec::with_capacity(given.len());
    for (n, one) in given.iter().enumerate() {
        let path = path.item("further_currencies", n);
        if one.code == main || further.iter().any(|other| other.points.code == one.code) {
            found.add(&path, "code", "must be unique within the program");
        }
        let kind = match one.kind() {
            pb::CurrencyKind::Qualifying => {
                if one.expiry_policy.is_some() {
                    found.add(&path, "expiry_policy", "must be unset for credits");
                }
                if further.iter().any(|other| other.kind == CurrencyKind::Qualifying) {
                    found.add(&path, "kind", "must be QUALIFYING at most once in a program");
                }
                CurrencyKind::Qualifying
            }
            pb::CurrencyKind::Spendable | pb::CurrencyKind::Unspecified => {
                CurrencyKind::Spendable(expiry(one.expiry_policy.as_ref(), &path, found))
            }
        };
        let points = PointCurrency {
            code: one.code.clone(),
            display_name: named(&one.display_name, &one.code),
            unit_cost_micros: unit_cost(one.unit_cost.as_ref(), currency, &path, found),
        };
        further.push(FurtherCurrency { points, kind });
    }
    further
}

/// What a point costs, unless nobody says.
fn unit_cost_message(points: &PointCurrency, currency: Currency) -> Option<gtype::Money> {
    let micros = points.unit_cost_micros;
    (micros > 0).then(|| money(Money { currency, micros }))
}

fn further_message(further: &FurtherCurrency, currency: Currency) -> pb::FurtherCurrency {
    let (kind, expiry_policy) = match further.kind {
        CurrencyKind::Spendable(expiry) => (pb::CurrencyKind::Spendable, expiry_message(expiry)),
        CurrencyKind::Qualifying => (pb::CurrencyKind::Qualifying, None),
    };
    pb::FurtherCurrency {
        code: further.points.code.clone(),
        display_name: further.points.display_name.clone(),
        kind: kind.into(),
        expiry_policy,
        unit_cost: unit_cost_message(&further.points, currency),
    }
}

fn expiry_message(expiry: Expiry) -> Option<pb::ExpiryPolicy> {
    use pb::expiry_policy::Policy;
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let policy = match expiry.life {
        Life::Never => return None,
        Life::RollingDays(days) => Policy::RollingDays(count(days)),
        Life::RollingMonths(months) => Policy::RollingMonths(count(months)),
        Life::Annual { day, years_later } => Policy::Annual(pb::AnnualExpiry {
            month: count(day.month()),
            day: count(day.day()),
            years_later: count(years_later),
        }),
    };
    let round_to = expiry.round_to.map_or(0, |period| period as i32);
    Some(pb::ExpiryPolicy { policy: Some(policy), round_to, sliding: expiry.sliding })
}

pub(super) fn referral(
    given: Option<&pb::ReferralPolicy>,
    currency: Currency,
    path: &Path<'_>,
    found: &mut Violations,
) -> Option<ReferralPolicy> {
    let given = given?;
    let path = path.field("referral_policy");
    let kinds = kinds(&given.activity_types, &path, "activity_types", found);
    let min = amount(given.min_amount.as_ref(), &path, "min_amount", found);
    if min.is_some_and(|min| min.currency != currency) {
        found.add(&path, "min_amount", "must be in the program's money currency");
    }
    Some(ReferralPolicy {
        kinds: kinds?,
        min_micros: min.map_or(0, |min| min.micros),
        wait_days: given.wait_days.unsigned_abs(),
        within_days: given.within_days.unsigned_abs(),
    })
}

fn referral_message(policy: &ReferralPolicy, currency: Currency) -> pb::ReferralPolicy {
    let days = |days: u32| i32::try_from(days).unwrap_or(i32::MAX);
    let min = (policy.min_micros > 0).then(|| money(Money { currency, micros: policy.min_micros }));
    pb::ReferralPolicy {
        activity_types: policy.kinds.iter().map(|kind| *kind as i32).collect(),
        min_amount: min,
        wait_days: days(policy.wait_days),
        within_days: days(policy.within_days),
    }
}

pub(super) fn program_message(program: &Program) -> pb::Program {
    let of_program = |micros: i64| Some(money(Money { currency: program.currency, micros }));
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let release = match program.release {
        Release::AtOnce => None,
        Release::AfterDays(days) => Some(pb::release_policy::Policy::AfterDays(count(days))),
        Release::OnConfirmation => Some(pb::release_policy::Policy::OnConfirmation(true)),
    };
    let rule = |rule: EarningRule| pb::EarningRule {
        points: rule.points,
        per: of_program(rule.per_micros),
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
            unit_cost: unit_cost_message(&program.points, program.currency),
        }),
        earning_rule: program.rule.map(rule),
        expiry_policy: expiry_message(program.expiry),
        earlier_tiers: program.ladder.before.iter().map(|one| earlier_message(program, one)).collect(),
        further_currencies: program
            .further
            .iter()
            .map(|one| further_message(one, program.currency))
            .collect(),
        tiers: program.ladder.tiers.iter().map(|tier| tier_message(program, tier)).collect(),
        version: program.version,
        create_time: Some(timestamp(program.create_time)),
        release_policy: release.map(|policy| pb::ReleasePolicy { policy: Some(policy) }),
        return_policy: program.return_policy as i32,
        etag: etag(program),
        tier_policy: policy_message(program),
        redemption_policy: Some(redemption_policy_message(program.redemption)),
        velocity_limits: program.velocity.iter().map(velocity_message).collect(),
        referral_policy: program.referral.as_ref().map(|policy| referral_message(policy, program.currency)),
    }
}
