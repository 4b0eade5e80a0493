//! The wire's shapes of tiers and of the policy that they are reached and lost by, in both directions.

use std::collections::BTreeSet;

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};

use super::activity_wire::kinds;
use super::program_wire::named;
use super::wire::{amount, count, date, spend};
use crate::domain::{Basis, Currency, Downgrade, Earlier, Ladder, Program, Tier, TierPolicy, Window};

/// Characters of a perk at most.
const PERK_MAX: usize = 200;

/// The ladder of a program.
pub(super) fn ladder(
    given: &pb::Program,
    currency: Currency,
    path: &Path<'_>,
    found: &mut Violations,
) -> Ladder {
    let policy = policy(given.tier_policy.as_ref(), &path.field("tier_policy"), found);
    let tiers = tiers(&given.tiers, policy.basis, currency, path, found);
    Ladder { tiers, policy, before: Vec::new() }
}

/// The tiers of a program, whose thresholds are counted in `basis`.
pub(super) fn tiers(
    given: &[pb::Tier],
    basis: Basis,
    currency: Currency,
    path: &Path<'_>,
    found: &mut Violations,
) -> Vec<Tier> {
    let mut tiers: Vec<Tier> = Vec::with_capacity(given.len());
    for (i, one) in given.iter().enumerate() {
        let path = path.item("tiers", i);
        let Some(tier) = tier(one, basis, currency, &path, found) else { continue };
        let entry = threshold_of(basis);
        if i == 0 && tier.entry != 0 {
            found.add(&path, entry, "must be zero for the lowest tier");
        }
        if tiers.last().is_some_and(|lower| lower.entry >= tier.entry) {
            found.add(&path, entry, "must be higher than that of the tier before it");
        }
        if tiers.iter().any(|other| other.id == tier.id) {
            found.add(&path, "tier_id", "must be unique within the program");
        }
        tiers.push(tier);
    }
    tiers
}

fn threshold_of(basis: Basis) -> &'static str {
    match basis {
        Basis::Spend => "threshold",
        Basis::Activities | Basis::Units | Basis::Credits => "threshold_count",
    }
}

fn tier(
    given: &pb::Tier,
    basis: Basis,
    currency: Currency,
    path: &Path<'_>,
    found: &mut Violations,
) -> Option<Tier> {
    let money = [("threshold", given.threshold.as_ref()), ("keep_threshold", given.keep_threshold.as_ref())];
    let (entry, keep) = match basis {
        Basis::Spend => {
            if given.threshold_count != 0 || given.keep_count.is_some() {
                found.add(path, "threshold_count", "needs a tier_policy whose basis is not SPEND");
            }
            if given.threshold.is_none() {
                found.add(path, "threshold", "must be set");
            }
            let [entry, keep] = money.map(|(field, given)| {
                let amount = amount(given, path, field, found)?;
                if amount.currency != currency {
                    found.add(path, field, "must be in the program's money currency");
                }
                Some(amount.micros)
            });
            (entry?, keep)
        }
        Basis::Activities | Basis::Units | Basis::Credits => {
            for (field, _) in money.iter().filter(|(_, given)| given.is_some()) {
                found.add(path, field, "needs a tier_policy whose basis is SPEND");
            }
            (given.threshold_count, given.keep_count)
        }
    };
    if keep.is_some_and(|keep| keep > entry) {
        let field = if basis == Basis::Spend { "keep_threshold" } else { "keep_count" };
        found.add(path, field, "must not be more than what reaches the tier");
    }
    if given.perks.iter().any(|perk| perk.is_empty() || perk.chars().count() > PERK_MAX) {
        found.add(path, "perks", "must have 1 to 200 characters each");
    }
    Some(Tier {
        id: given.tier_id.clone(),
        display_name: named(&given.display_name, &given.tier_id),
        entry,
        keep: keep.unwrap_or(entry),
        earn_percent: if given.earn_percent == 0 { 100 } else { given.earn_percent.into() },
        discount_percent: given.reward_discount_percent.into(),
        perks: given.perks.clone(),
    })
}

pub(super) fn policy(given: Option<&pb::TierPolicy>, path: &Path<'_>, found: &mut Violations) -> TierPolicy {
    use pb::tier_policy::Window as Given;
    let Some(given) = given else { return TierPolicy::default() };
    let kinds = kinds(&given.activity_types, path, "activity_types", found);
    let kinds = kinds.map(|kinds| kinds.into_iter().collect::<BTreeSet<_>>());
    if let Some(Given::RollingMonths(months)) = given.window
        && given.warn_days >= months.saturating_mul(28)
    {
        found.add(path, "warn_days", "must be less than 28 for each of the rolling months");
    }
    let no_end =
        matches!(given.window, Some(Given::Lifetime(_))) || given.downgrade() == pb::TierDowngrade::Never;
    for (field, days) in [("warn_days", given.warn_days), ("grace_days", given.grace_days)] {
        if no_end && days > 0 {
            found.add(path, field, "must be 0 where tiers do not end");
        }
    }
    TierPolicy {
        basis: Basis::from_number(given.basis).unwrap_or_default(),
        kinds: kinds.unwrap_or_default().into_iter().collect(),
        window: match given.window {
            None | Some(Given::CalendarYear(_)) => Window::CalendarYear,
            Some(Given::Anniversary(_)) => Window::Anniversary,
            Some(Given::RollingMonths(months)) => Window::RollingMonths(months.unsigned_abs()),
            Some(Given::Lifetime(_)) => Window::Lifetime,
        },
        downgrade: Downgrade::from_number(given.downgrade).unwrap_or_default(),
        grace_days: given.grace_days.unsigned_abs(),
        warn_days: given.warn_days.unsigned_abs(),
    }
}

/// The policy of a program; none if it has no tiers and nothing was said of how they would be reached.
pub(super) fn policy_message(program: &Program) -> Option<pb::TierPolicy> {
    use pb::tier_policy::Window as Told;
    let policy = &program.ladder.policy;
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let message = pb::TierPolicy {
        basis: policy.basis as i32,
        activity_types: policy.kinds.iter().map(|kind| *kind as i32).collect(),
        window: Some(match policy.window {
            Window::CalendarYear => Told::CalendarYear(true),
            Window::Anniversary => Told::Anniversary(true),
            Window::RollingMonths(months) => Told::RollingMonths(count(months)),
            Window::Lifetime => Told::Lifetime(true),
        }),
        downgrade: policy.downgrade as i32,
        grace_days: count(policy.grace_days),
        warn_days: count(policy.warn_days),
    };
    (!program.ladder.tiers.is_empty() || *policy != TierPolicy::default()).then_some(message)
}

/// What held of a program's tiers up to a day.
pub(super) fn earlier_message(program: &Program, earlier: &Earlier) -> pb::EarlierTiers {
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    pb::EarlierTiers {
        end_date: Some(date(earlier.end)),
        tiers: earlier.tiers.iter().map(|tier| tier_message(program, tier)).collect(),
        downgrade: earlier.downgrade as i32,
        grace_days: count(earlier.grace_days),
    }
}

/// One step of a program's ladder.
pub(super) fn tier_message(program: &Program, tier: &Tier) -> pb::Tier {
    let policy = &program.ladder.policy;
    let amount = |credits| policy.amount(credits, program.currency);
    let percent = |percent: i64| i32::try_from(percent).unwrap_or(i32::MAX);
    pb::Tier {
        tier_id: tier.id.clone(),
        display_name: tier.display_name.clone(),
        threshold: spend(amount(tier.entry)),
        keep_threshold: spend(amount(tier.keep)),
        threshold_count: count(amount(tier.entry)),
        keep_count: (policy.basis != Basis::Spend).then_some(tier.keep),
        earn_percent: percent(tier.earn_percent),
        reward_discount_percent: percent(tier.discount_percent),
        perks: tier.perks.clone(),
    }
}
