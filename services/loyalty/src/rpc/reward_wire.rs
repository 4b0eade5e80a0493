//! The wire's shapes of rewards, in both directions.

use ambient::Time;
use db::sea_orm::ConnectionTrait;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use rpc::Problem;

use super::program_wire::named;
use super::refusal::DOMAIN;
use super::wire::{amount, money, opt_timestamp, time, timestamp};
use crate::domain::rules::{Eligibility, Period};
use crate::domain::{
    Fulfilment, Money, PaymentRate, Price, Program, Refusal, Reward, RewardRefusal, RewardTerms, RewardText,
    Stock, Supply, UnitLimit,
};
use crate::store::{Tenant, rewards};

/// How long the place of a picture may be, in bytes.
const URI_MAX: usize = 2_000;

/// What a reward's etag is as long as it does not change.
pub(super) fn etag(reward: &Reward) -> String {
    reward.version.to_string()
}

/// A reward as it is offered now.
///
/// # Errors
/// That the database refused.
pub(super) async fn offered(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    reward: &Reward,
    now: Time,
) -> Result<pb::Reward, db::Error> {
    let stock = rewards::on_offer(db, tenant, std::slice::from_ref(reward), now).await?;
    Ok(reward_message(reward, stock.first().copied().unwrap_or(Stock::Unlimited)))
}

/// A reward from a field, with its first stock.
pub(super) fn decode(
    given: &pb::Reward,
    now: Time,
    path: &Path<'_>,
    found: &mut Violations,
) -> (Reward, Stock) {
    let (supply, stock) = match given.stock {
        Some(pb::reward::Stock::Remaining(units)) => (Supply::Counted, Stock::Remaining(units)),
        Some(pb::reward::Stock::CodePool(_)) => (Supply::Codes, Stock::Remaining(0)),
        Some(pb::reward::Stock::Unlimited(_)) | None => (Supply::Unlimited, Stock::Unlimited),
    };
    let own = Price::of(given.price_points, given.currency_code.as_str());
    let reward = Reward {
        display_name: named(&given.display_name, &given.reward_id),
        program_id: given.program_id.clone(),
        id: given.reward_id.clone(),
        price: Price { money: beside(given.price_money.as_ref(), path, "price_money", found), ..own },
        terms: terms(given, path, found),
        supply,
        version: 1,
        create_time: now,
    };
    (reward, stock)
}

fn beside(
    given: Option<&proto::google::r#type::Money>,
    path: &Path<'_>,
    field: &'static str,
    found: &mut Violations,
) -> Option<Money> {
    let money = amount(given, path, field, found)?;
    if money.micros == 0 {
        found.add(path, field, "must be more than nothing; leave it out if nothing is paid");
    }
    Some(money)
}

fn terms(given: &pb::Reward, path: &Path<'_>, found: &mut Violations) -> RewardTerms {
    let start = time(given.start_time, path, "start_time", found).map(|at| at.micros());
    let end = time(given.end_time, path, "end_time", found).map(|at| at.micros());
    if let (Some(start), Some(end)) = (start, end)
        && end <= start
    {
        found.add(path, "end_time", "must lie after start_time");
    }
    let eligibility = Some(given.eligibility.as_str()).filter(|source| !source.is_empty());
    let eligibility = match eligibility.map(Eligibility::try_new).transpose() {
        Ok(eligibility) => eligibility,
        Err(told) => {
            found.add(path, "eligibility", told);
            None
        }
    };
    if given.image_uris.iter().any(|uri| uri.is_empty() || uri.len() > URI_MAX) {
        found.add(path, "image_uris", format!("must each have 1 to {URI_MAX} bytes"));
    }
    RewardTerms {
        other_prices: other_prices(&given.other_prices, path, found),
        start_micros: start,
        end_micros: end,
        min_tier_id: given.min_tier_id.clone(),
        eligibility,
        limit: given.limit.as_ref().map(limit),
        rate: given.payment_rate.as_ref().and_then(|given| rate(given, path, found)),
        fulfilment: fulfilment(given.fulfilment()),
        texts: texts(&given.texts, path, found),
        image_uris: given.image_uris.clone(),
    }
}

fn rate(given: &pb::PaymentRate, path: &Path<'_>, found: &mut Violations) -> Option<PaymentRate> {
    let path = path.field("payment_rate");
    let per = beside(given.per.as_ref(), &path, "per", found);
    let step = beside(given.step.as_ref(), &path, "step", found);
    if given.per.is_none() {
        found.add(&path, "per", "is required");
    }
    let per = per?;
    if step.is_some_and(|step| step.currency != per.currency) {
        found.add(&path, "step", "must be in the currency of per");
    }
    let step_micros = step.map_or(per.currency.minor_micros(), |step| step.micros);
    Some(PaymentRate { per, step_micros })
}

fn other_prices(given: &[pb::RewardPrice], path: &Path<'_>, found: &mut Violations) -> Vec<Price> {
    let mut prices: Vec<Price> = Vec::with_capacity(given.len());
    for (n, price) in given.iter().enumerate() {
        let path = path.item("other_prices", n);
        if prices.iter().any(|other| other.id == price.price_id) {
            found.add(&path, "price_id", "must be unique within the reward");
        }
        prices.push(Price {
            id: price.price_id.clone(),
            money: beside(price.money.as_ref(), &path, "money", found),
            ..Price::of(price.points, price.currency_code.as_str())
        });
    }
    prices
}

fn texts(given: &[pb::RewardText], path: &Path<'_>, found: &mut Violations) -> Vec<RewardText> {
    let mut texts: Vec<RewardText> = Vec::with_capacity(given.len());
    for (n, text) in given.iter().enumerate() {
        if texts.iter().any(|other| other.language.eq_ignore_ascii_case(&text.language_code)) {
            let told = "must be unique within the reward";
            found.add(&path.item("texts", n), "language_code", told);
        }
        texts.push(RewardText {
            language: text.language_code.clone(),
            title: text.title.clone(),
            description: text.description.clone(),
            terms: text.terms.clone(),
        });
    }
    texts
}

fn limit(given: &pb::RewardLimit) -> UnitLimit {
    let period = match given.period() {
        pb::RewardLimitPeriod::Unspecified => Period::Lifetime,
        pb::RewardLimitPeriod::Day => Period::Day,
        pb::RewardLimitPeriod::Week => Period::Week,
        pb::RewardLimitPeriod::Month => Period::Month,
        pb::RewardLimitPeriod::Year => Period::Year,
    };
    UnitLimit { units_max: given.max_units, period }
}

fn limit_message(limit: UnitLimit) -> pb::RewardLimit {
    let period = match limit.period {
        Period::Activity | Period::Lifetime => pb::RewardLimitPeriod::Unspecified,
        Period::Day => pb::RewardLimitPeriod::Day,
        Period::Week => pb::RewardLimitPeriod::Week,
        Period::Month => pb::RewardLimitPeriod::Month,
        Period::Year => pb::RewardLimitPeriod::Year,
    };
    pb::RewardLimit { max_units: limit.units_max, period: period.into() }
}

/// Both ways of saying how a reward reaches whoever redeems it.
const FULFILMENTS: [(pb::FulfilmentKind, Fulfilment); 6] = [
    (pb::FulfilmentKind::Unspecified, Fulfilment::Unspecified),
    (pb::FulfilmentKind::VoucherCode, Fulfilment::VoucherCode),
    (pb::FulfilmentKind::Discount, Fulfilment::Discount),
    (pb::FulfilmentKind::Product, Fulfilment::Product),
    (pb::FulfilmentKind::Partner, Fulfilment::Partner),
    (pb::FulfilmentKind::Donation, Fulfilment::Donation),
];

fn fulfilment(given: pb::FulfilmentKind) -> Fulfilment {
    FULFILMENTS.iter().find(|(kind, _)| *kind == given).map(|(_, of)| *of).unwrap_or_default()
}

fn fulfilment_kind(of: Fulfilment) -> pb::FulfilmentKind {
    FULFILMENTS.iter().find(|(_, known)| *known == of).map(|(kind, _)| *kind).unwrap_or_default()
}

pub(super) fn reward_message(reward: &Reward, stock: Stock) -> pb::Reward {
    let terms = &reward.terms;
    let units = match stock {
        Stock::Unlimited => 0,
        Stock::Remaining(units) => units,
    };
    let at = |micros: Option<i64>| micros.map(|micros| timestamp(Time::from_micros(micros)));
    pb::Reward {
        program_id: reward.program_id.clone(),
        reward_id: reward.id.clone(),
        display_name: reward.display_name.clone(),
        price_points: reward.price.points,
        stock: Some(match reward.supply {
            Supply::Unlimited => pb::reward::Stock::Unlimited(true),
            Supply::Counted => pb::reward::Stock::Remaining(units),
            Supply::Codes => pb::reward::Stock::CodePool(pb::CodePool { remaining: units }),
        }),
        version: reward.version,
        create_time: Some(timestamp(reward.create_time)),
        currency_code: reward.price.currency.clone(),
        price_money: reward.price.money.map(money),
        other_prices: terms.other_prices.iter().map(price_message).collect(),
        start_time: at(terms.start_micros),
        end_time: at(terms.end_micros),
        min_tier_id: terms.min_tier_id.clone(),
        eligibility: terms.eligibility.as_ref().map_or("", Eligibility::source).to_owned(),
        limit: terms.limit.map(limit_message),
        payment_rate: terms.rate.map(|rate| pb::PaymentRate {
            per: Some(money(rate.per)),
            step: Some(money(Money { micros: rate.step_micros, ..rate.per })),
        }),
        fulfilment: fulfilment_kind(terms.fulfilment).into(),
        texts: terms.texts.iter().map(text_message).collect(),
        image_uris: terms.image_uris.clone(),
        etag: etag(reward),
    }
}

fn price_message(price: &Price) -> pb::RewardPrice {
    pb::RewardPrice {
        price_id: price.id.clone(),
        points: price.points,
        currency_code: price.currency.clone(),
        money: price.money.map(money),
    }
}

pub(super) fn text_message(text: &RewardText) -> pb::RewardText {
    pb::RewardText {
        language_code: text.language.clone(),
        title: text.title.clone(),
        description: text.description.clone(),
        terms: text.terms.clone(),
    }
}

/// What speaks against a reward in a program: what it names and the program lacks, or what it cannot be.
///
/// # Errors
/// The first thing.
pub(super) fn fits(reward: &Reward, program: &Program) -> Result<(), Problem> {
    for price in reward.prices() {
        program.spendable(&price.currency).map_err(|refusal| super::refusal::problem(&refusal))?;
    }
    let alone = reward.terms.other_prices.is_empty() && reward.price.money.is_none();
    if reward.terms.rate.is_some() && !alone {
        let message = "a reward that pays bills has no other prices, and no money beside its points";
        return Err(Problem::precondition(DOMAIN, "PAYMENT_RATE_ALONE", message));
    }
    let min_tier_id = &reward.terms.min_tier_id;
    if !min_tier_id.is_empty() && program.ladder.rank_of(min_tier_id).is_none() {
        let message = format!("the program has no tier {min_tier_id}");
        return Err(Problem::not_found(DOMAIN, "TIER_NOT_FOUND", message).with("tier_id", min_tier_id));
    }
    Ok(())
}

/// Why a reward cannot be had.
pub(super) fn reward_problem(refusal: &RewardRefusal) -> Problem {
    match refusal {
        RewardRefusal::PriceNotFound { price_id } => {
            let message = format!("the reward has no price {price_id}");
            Problem::not_found(DOMAIN, "REWARD_PRICE_NOT_FOUND", message).with("price_id", price_id)
        }
        RewardRefusal::NotStarted { start } => {
            let message = format!("the reward can be had from {start} on");
            Problem::precondition(DOMAIN, "NOT_STARTED", message).with("start_time", start)
        }
        RewardRefusal::Ended { end } => {
            let message = format!("the reward could be had up to {end}");
            Problem::precondition(DOMAIN, "ENDED", message).with("end_time", end)
        }
        RewardRefusal::TierTooLow { min_tier_id } => {
            let message = format!("the reward is for members of tier {min_tier_id} and above");
            Problem::precondition(DOMAIN, "TIER_TOO_LOW", message).with("min_tier_id", min_tier_id)
        }
        RewardRefusal::NotEligible => {
            Problem::precondition(DOMAIN, "NOT_ELIGIBLE", "the reward is for other members")
        }
        RewardRefusal::BillRequired => {
            let message = "points of this reward pay bills; say the amount of one";
            Problem::precondition(DOMAIN, "AMOUNT_REQUIRED", message)
        }
        RewardRefusal::NoPaymentRate => {
            let message = "points of this reward pay no bill; leave the amount out";
            Problem::precondition(DOMAIN, "NO_PAYMENT_RATE", message)
        }
        RewardRefusal::OtherCurrency { expected, given } => {
            let message =
                format!("the amount is in {given:?}, points of this reward pay bills in {expected:?}");
            Problem::precondition(DOMAIN, "CURRENCY_MISMATCH", message)
                .with("expected", expected.code())
                .with("given", given.code())
        }
        RewardRefusal::LimitReached { quantity, left } => {
            let message = format!("{quantity} units are asked for, the wallet may have {left} more for now");
            Problem::precondition(DOMAIN, "LIMIT_REACHED", message)
                .with("quantity", quantity)
                .with("left", left)
        }
    }
}

/// Something that keeps a member from a reward, as a list shows it.
pub(super) fn obstacle(refusal: &Refusal) -> pb::Obstacle {
    let bare = |reason: pb::ObstacleReason| pb::Obstacle {
        reason: reason.into(),
        message: super::refusal::problem(refusal).message,
        ..pb::Obstacle::default()
    };
    match refusal {
        Refusal::InsufficientPoints { needed, available } => pb::Obstacle {
            missing: needed.saturating_sub(*available),
            ..bare(pb::ObstacleReason::InsufficientPoints)
        },
        Refusal::OutOfStock { remaining, .. } => {
            pb::Obstacle { missing: 1_i64.saturating_sub(*remaining), ..bare(pb::ObstacleReason::OutOfStock) }
        }
        Refusal::Reward(RewardRefusal::LimitReached { quantity, left }) => {
            pb::Obstacle { missing: quantity.saturating_sub(*left), ..bare(pb::ObstacleReason::LimitReached) }
        }
        Refusal::Reward(RewardRefusal::TierTooLow { min_tier_id }) => {
            pb::Obstacle { min_tier_id: min_tier_id.clone(), ..bare(pb::ObstacleReason::TierTooLow) }
        }
        Refusal::Reward(RewardRefusal::NotStarted { start }) => {
            pb::Obstacle { until: opt_timestamp(*start), ..bare(pb::ObstacleReason::NotStarted) }
        }
        Refusal::Reward(RewardRefusal::Ended { .. }) => bare(pb::ObstacleReason::Ended),
        Refusal::Reward(_) => bare(pb::ObstacleReason::NotEligible),
        Refusal::VelocityExceeded { .. } | Refusal::ReviewRequired { .. } => {
            bare(pb::ObstacleReason::VelocityExceeded)
        }
        _ => bare(pb::ObstacleReason::MemberNotAllowed),
    }
}
