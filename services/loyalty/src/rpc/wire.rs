//! The wire's shapes of what several RPCs speak of, in both directions.

use chrono::{Datelike, NaiveDate};
use proto::google::r#type as gtype;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use tonic::Status;
use uuid::Uuid;

use super::refusal::DOMAIN;
use crate::domain::{Credits, Currency, Money, Points, Program, Reply, Reversal, TierStatus, Wallet};
use crate::ledger::Answered;

pub(super) use requests::wire::{cursor, period, place, time, uuid};
pub(crate) use requests::wire::{opt_timestamp, timestamp, uuid_text};

/// The id in a field, of a request in which nothing else is to be checked.
pub(super) fn only_id(given: &str, field: &'static str) -> Result<Uuid, Status> {
    let mut found = Violations::default();
    let id = uuid(given, &Path::ROOT, field, &mut found);
    found.into_result(DOMAIN)?;
    Ok(id)
}

/// An amount.
pub(crate) fn money(amount: Money) -> gtype::Money {
    gtype::Money {
        currency_code: amount.currency.code().to_owned(),
        units: amount.micros.div_euclid(Money::MICROS_PER_UNIT),
        nanos: i32::try_from(amount.micros.rem_euclid(Money::MICROS_PER_UNIT) * 1_000).unwrap_or(0),
    }
}

/// An amount from a field: never negative, at most six decimals, at most a thousand million units.
pub(super) fn amount(
    given: Option<&gtype::Money>,
    path: &Path<'_>,
    field: &'static str,
    found: &mut Violations,
) -> Option<Money> {
    let given = given?;
    let told = if given.units < 0 || given.nanos < 0 {
        "must not be negative"
    } else if given.nanos > 999_999_999 {
        "must have less than a unit of nanos"
    } else if given.nanos % 1_000 != 0 {
        "must have at most six decimals"
    } else if given.units >= Money::MICROS_MAX / Money::MICROS_PER_UNIT {
        "must be less than 1000000000 units"
    } else if given.currency_code.is_empty() {
        "must name a currency"
    } else if let Some(currency) = Currency::try_new(&given.currency_code) {
        let micros = given.units * Money::MICROS_PER_UNIT + i64::from(given.nanos / 1_000);
        return Some(Money { currency, micros });
    } else {
        "must name its currency by three capital letters"
    };
    found.add(path, field, told);
    None
}

/// The same of an amount that is something.
pub(super) fn positive_amount(
    given: Option<&gtype::Money>,
    path: &Path<'_>,
    field: &'static str,
    found: &mut Violations,
) -> Option<Money> {
    let amount = amount(given, path, field, found)?;
    if amount.micros == 0 {
        found.add(path, field, "must be more than nothing");
    }
    Some(amount)
}

/// What a wallet holds right after a command, of the currency that this was about.
pub(super) fn balance_after(answered: &Answered<'_>) -> pb::Balance {
    let redemption = answered.answer.as_ref().ok().and_then(Reply::redemption);
    let code = redemption.map_or(answered.command.currency(), |made| &made.currency);
    balance(answered.wallet, answered.program, answered.program.spendable(code).unwrap_or(0))
}

/// What a wallet holds of the further currencies that are spent.
pub(super) fn further_balances(wallet: &Wallet, program: &Program) -> Vec<pb::Balance> {
    let further = (1..).take(program.further.len()).filter(|purse| !program.qualifies(*purse));
    further.map(|purse| balance(wallet, program, purse)).collect()
}

/// What a wallet holds of a currency.
pub(super) fn balance(wallet: &Wallet, program: &Program, purse: u32) -> pb::Balance {
    let of = wallet.purse(purse);
    let t = &of.totals;
    pb::Balance {
        currency_code: program.code_of(purse).to_owned(),
        available: t.available,
        pending: t.pending,
        held: t.held,
        arrears: t.arrears,
        issued: t.issued,
        redeemed: t.redeemed,
        expired: t.expired,
        adjusted: t.adjusted,
        next_expire_time: opt_timestamp(of.next_expire()),
        expiries: Vec::new(),
        version: wallet.version,
        reversed: t.reversed,
        waived: t.waived,
        transferred: t.transferred,
    }
}

/// Points of the main currency.
pub(super) fn main_points(points: &Points) -> i64 {
    points.get(&0).copied().unwrap_or(0)
}

/// Points of further currencies.
pub(super) fn further_points(points: &Points, program: &Program) -> Vec<pb::CurrencyPoints> {
    let further = points.iter().filter(|(purse, _)| **purse > 0);
    further.map(|(purse, points)| currency_points(program.code_of(*purse), *points)).collect()
}

/// Points of the currency with this code.
pub(crate) fn currency_points(code: &str, points: i64) -> pb::CurrencyPoints {
    pb::CurrencyPoints { currency_code: code.to_owned(), points }
}

/// What became of the points of an activity: of the main currency, and of the others.
pub(super) fn reversals(reply: &Reply, program: &Program) -> (pb::Reversal, Vec<pb::Reversal>) {
    let of = |reversal: &Reversal| reversal_message(reversal, program.code_of(reversal.purse));
    let (main, further) = reply.reversals().iter().partition::<Vec<&Reversal>, _>(|one| one.purse == 0);
    let nothing = Reversal::default();
    (of(main.first().copied().unwrap_or(&nothing)), further.into_iter().map(of).collect())
}

/// What became of the points of a currency.
pub(crate) fn reversal_message(reversal: &Reversal, code: &str) -> pb::Reversal {
    pb::Reversal {
        currency_code: code.to_owned(),
        points_owed: reversal.owed,
        points_from_pending: reversal.from_pending,
        points_from_available: reversal.from_available,
        points_in_arrears: reversal.arrears,
        points_waived: reversal.waived,
    }
}

/// Where a member stands.
pub(super) fn tier(status: &TierStatus, program: &Program) -> pb::TierStatus {
    let amount = |credits| program.ladder.policy.amount(credits, program.currency);
    let next = status.next.as_ref().map(|(_, credits)| amount(*credits));
    pb::TierStatus {
        tier_id: status.tier_id.clone(),
        rank: i32::try_from(status.rank).unwrap_or(i32::MAX),
        end_time: opt_timestamp(status.until),
        progress: spend(amount(status.progress)),
        next_tier_id: status.next.as_ref().map_or_else(String::new, |(id, _)| id.clone()),
        to_next: next.and_then(spend),
        to_stay: spend(amount(status.to_stay)),
        start_time: (status.rank > 0).then(|| timestamp(status.since)),
        progress_count: count(amount(status.progress)),
        to_next_count: next.map_or(0, count),
        to_stay_count: count(amount(status.to_stay)),
    }
}

/// A local date.
pub(super) fn date(of: NaiveDate) -> gtype::Date {
    gtype::Date {
        year: of.year(),
        month: i32::try_from(of.month()).unwrap_or(0),
        day: i32::try_from(of.day()).unwrap_or(0),
    }
}

/// Credits for tiers as money, if that is what counts.
pub(crate) fn spend(credits: Credits) -> Option<gtype::Money> {
    match credits {
        Credits::Spend(amount) => Some(money(amount)),
        Credits::Count(_) => None,
    }
}

/// Credits for tiers as a number, if that is what counts.
pub(crate) fn count(credits: Credits) -> i64 {
    match credits {
        Credits::Spend(_) => 0,
        Credits::Count(count) => count,
    }
}

/// The version of a wallet as a token for later reads.
pub(super) fn read_token(wallet_id: Uuid, version: i64) -> String {
    let (head, ..) = wallet_id.as_fields();
    format!("1-{head:08x}-{version}")
}

/// The version that a token of this wallet names; `None` if it is not one.
pub(super) fn read_version(token: &str, wallet_id: Uuid) -> Option<i64> {
    let (head, ..) = wallet_id.as_fields();
    let version = token.strip_prefix(&format!("1-{head:08x}-"))?;
    version.parse().ok().filter(|v| *v >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(money: gtype::Money) -> Vec<String> {
        let mut found = Violations::default();
        amount(Some(&money), &Path::ROOT, "amount", &mut found);
        found.listed().iter().map(|v| v.description.clone().into_owned()).collect()
    }

    fn given(currency: &str, units: i64, nanos: i32) -> gtype::Money {
        gtype::Money { currency_code: currency.into(), units, nanos }
    }

    #[test]
    fn amounts_are_exact_or_refused() {
        let mut found = Violations::default();
        let decoded = amount(Some(&given("USD", 12, 340_001_000)), &Path::ROOT, "amount", &mut found);
        assert_eq!(decoded.map(|m| m.micros), Some(12_340_001));
        assert_eq!(decoded.map(money), Some(given("USD", 12, 340_001_000)));
        assert_eq!(told(given("USD", -1, 0)), ["must not be negative"]);
        assert_eq!(told(given("USD", 0, -1)), ["must not be negative"]);
        assert_eq!(told(given("USD", 0, 1)), ["must have at most six decimals"]);
        assert_eq!(told(given("USD", 0, 1_000_000_000)), ["must have less than a unit of nanos"]);
        assert_eq!(told(given("USD", i64::MAX, 0)), ["must be less than 1000000000 units"]);
        assert_eq!(told(given("", 1, 0)), ["must name a currency"]);
        assert_eq!(told(given("usd", 1, 0)), ["must name its currency by three capital letters"]);
    }

    #[test]
    fn a_read_token_is_for_its_wallet_only() {
        let (a, b) = (Uuid::from_u128(1 << 96), Uuid::from_u128(2 << 96));
        let token = read_token(a, 42);
        assert_eq!(read_version(&token, a), Some(42));
        assert_eq!(read_version(&token, b), None);
        assert_eq!(read_version("", a), None);
        assert_eq!(read_version("1-00000001--3", a), None);
    }
}
