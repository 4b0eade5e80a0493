//! A shop of the model as the ledger knows it: a program with its rules and tiers, and rewards.

use std::collections::BTreeMap;

use ambient::Time;
use loyalty::domain::rules::{self, Rules};
use loyalty::domain::{
    self, Basis, Currency, CurrencyKind, Downgrade, EarningRule, Expiry, FurtherCurrency, HOLD_MAX_SECONDS,
    Ladder, LateRefund, Life, Money, MonthDay, PaymentRate, PointCurrency, Price, Program, RedemptionPolicy,
    ReturnPolicy, Reward, RewardTerms, RuleSet, Supply, Tier, TierPolicy, UnitLimit, Window,
};

use crate::house::START;
use crate::model::{Policy, Release, Returns};
use crate::model_caps::{Anew, Cap};
use crate::model_client::{COINS, code};
use crate::model_life::Lasts;
use crate::model_purses::Shop;
use crate::model_rewards::{self, Limit, Offer};
use crate::model_tiers::{Falls, Later, Span, Tiers};
use crate::reward_client::{price_id, reward_id};

fn usd_currency() -> Currency {
    Currency::try_new("USD").expect("what the model has")
}

/// So many cents.
pub fn cents(cents: i64) -> Money {
    Money { currency: usd_currency(), micros: cents * 10_000 }
}

/// The program of a policy.
///
/// # Panics
/// If the policy has what no program may have.
pub fn program_of(policy: Policy) -> Program {
    let rule = EarningRule { points: policy.points_per_dollar, per_micros: 1_000_000 };
    Program {
        id: "club".into(),
        display_name: "Club".into(),
        time_zone: chrono_tz::UTC,
        currency: usd_currency(),
        points: currency("points"),
        further: Vec::new(),
        rule: Some(rule),
        rule_sets: rule.rule_set(chrono_tz::UTC, Time::NEVER).into_iter().collect(),
        release: match policy.release {
            Release::AtOnce => domain::Release::AtOnce,
            Release::AfterDays(days) => {
                domain::Release::AfterDays(u32::try_from(days).expect("what the model has"))
            }
            Release::OnConfirmation => domain::Release::OnConfirmation,
        },
        expiry: expiry_of(&policy),
        return_policy: match policy.returns {
            Returns::OnlyPending => ReturnPolicy::OnlyPending,
            Returns::WithinBalance => ReturnPolicy::WithinBalance,
            Returns::Unlimited => ReturnPolicy::Unlimited,
        },
        ladder: ladder_of(policy.tiers),
        redemption: RedemptionPolicy {
            hold_max_seconds: HOLD_MAX_SECONDS,
            late_refund: policy.grace_days.map_or(LateRefund::Expire, |days| {
                LateRefund::Grace(u32::try_from(days).expect("what the model has"))
            }),
        },
        referral: None,
        velocity: Vec::new(),
        version: 1,
        create_time: Time::MIN,
    }
}

fn currency(code: &str) -> PointCurrency {
    PointCurrency { code: code.into(), display_name: code.into(), unit_cost_micros: 0 }
}

/// The program of a shop, whose rules always hold.
///
/// # Panics
/// As [`program_of`].
pub fn program_of_shop(shop: &Shop) -> Program {
    let mut program = program_of(shop.purses[0]);
    let coins = shop.purses.get(1).map(|policy| FurtherCurrency {
        points: currency(COINS),
        kind: CurrencyKind::Spendable(expiry_of(policy)),
    });
    let status = shop
        .by_credits
        .then(|| FurtherCurrency { points: currency("status"), kind: CurrencyKind::Qualifying });
    program.further = coins.into_iter().chain(status).collect();
    let rule = |code: &str, points: i64, per_micros: i64, most: Option<Cap>| {
        let rule = Rules::per_purchase(points, per_micros).rules.remove(0);
        let caps = most.iter().map(cap_of).collect();
        rules::Rule { id: format!("purchases-{code}"), currency: code.into(), caps, ..rule }
    };
    let codes = ["", COINS].into_iter().zip(&shop.purses);
    let mut rules: Vec<_> =
        codes.map(|(code, policy)| rule(code, policy.points_per_dollar, 1_000_000, policy.cap)).collect();
    if shop.by_credits {
        rules.push(rule("status", 1, 10_000, None));
        program.ladder.policy.basis = Basis::Credits;
        let Ladder { tiers, before, .. } = &mut program.ladder;
        for tier in tiers.iter_mut().chain(before.iter_mut().flat_map(|earlier| &mut earlier.tiers)) {
            (tier.entry, tier.keep) = (tier.entry / 10_000, tier.keep / 10_000);
        }
    }
    let rules = program.compile(Rules { rules, groups: BTreeMap::new() }).expect("what the model has");
    program.rule_sets = vec![RuleSet { version: 2, start: Time::MIN, end: Time::NEVER, rules }];
    program
}

fn cap_of(cap: &Cap) -> rules::Cap {
    rules::Cap {
        points_max: cap.points,
        of: if cap.of_program { rules::CapOf::Program } else { rules::CapOf::Member },
        period: match cap.anew {
            Anew::Purchase => rules::Period::Activity,
            Anew::Day => rules::Period::Day,
            Anew::Month => rules::Period::Month,
            Anew::Never => rules::Period::Lifetime,
        },
        overflow: if cap.rejects { rules::Overflow::Reject } else { rules::Overflow::Cap },
        budget: String::new(),
    }
}

fn expiry_of(policy: &Policy) -> Expiry {
    let period = |months: u32| match months {
        1 => domain::Period::Month,
        3 => domain::Period::Quarter,
        _ => domain::Period::Year,
    };
    Expiry {
        life: match policy.life.lasts {
            Lasts::Days(days) => Life::RollingDays(u32::try_from(days).expect("what the model has")),
            Lasts::Months(months) => Life::RollingMonths(months),
            Lasts::Until(month, day, years_later) => {
                Life::Annual { day: MonthDay::try_new(month, day).expect("what the model has"), years_later }
            }
            Lasts::Endless => Life::Never,
        },
        round_to: policy.life.rounded.map(period),
        sliding: policy.sliding,
    }
}

fn ladder_of(tiers: Tiers) -> Ladder {
    let steps = |dollars: &[i64]| -> Vec<Tier> {
        let tier = |(n, dollars): (usize, &i64)| Tier::plain(format!("tier-{n}"), dollars * 1_000_000);
        [0].iter().chain(dollars).enumerate().map(tier).collect()
    };
    let ladder = Ladder { policy: tier_policy_of(tiers), ..Ladder::of(steps(tiers.dollars)) };
    let Some(later) = tiers.later else { return ladder };
    let Later { dollars, falls, grace_days, .. } = later;
    let policy = tier_policy_of(Tiers { falls, grace_days, ..tiers });
    let from = domain::local_date(chrono_tz::UTC, START) + chrono::Days::new(later.days);
    ladder.changed(steps(dollars), policy, from).expect("what the model has")
}

fn tier_policy_of(tiers: Tiers) -> TierPolicy {
    TierPolicy {
        window: match tiers.span {
            Span::CalendarYear => Window::CalendarYear,
            Span::Anniversary => Window::Anniversary,
            Span::Months(months) => Window::RollingMonths(months),
            Span::Lifetime => Window::Lifetime,
        },
        downgrade: match tiers.falls {
            Falls::Recalculate => Downgrade::Recalculate,
            Falls::OneDown => Downgrade::OneDown,
            Falls::Never => Downgrade::Never,
        },
        grace_days: tiers.grace_days,
        ..TierPolicy::default()
    }
}

/// The reward that a shop offers in a place.
///
/// # Panics
/// If it has what no reward may have.
pub fn reward_of(n: usize, offer: &Offer) -> Reward {
    let price = |(n, price): (usize, &model_rewards::Price)| Price {
        id: price_id(n),
        money: (price.cents > 0).then(|| cents(price.cents)),
        ..Price::of(price.points, code(price.purse))
    };
    let mut prices = offer.prices.iter().enumerate().map(price);
    let limit = |Limit { units, daily }| UnitLimit {
        units_max: units,
        period: if daily { rules::Period::Day } else { rules::Period::Lifetime },
    };
    let rate = |rate: model_rewards::Rate| PaymentRate {
        per: cents(rate.cents),
        step_micros: cents(rate.step).micros,
    };
    Reward {
        program_id: "club".into(),
        id: reward_id(n),
        display_name: "Mug".into(),
        price: prices.next().expect("what the model has"),
        terms: RewardTerms {
            other_prices: prices.collect(),
            limit: offer.limit.map(limit),
            rate: offer.rate.map(rate),
            ..RewardTerms::default()
        },
        supply: match offer.supply {
            model_rewards::Supply::Endless => Supply::Unlimited,
            model_rewards::Supply::Units(_) => Supply::Counted,
            model_rewards::Supply::Codes(_) => Supply::Codes,
        },
        version: 1,
        create_time: Time::MIN,
    }
}
