//! The wire's shapes of liability, and how what is posted gets into the sums that it is read from.

use ambient::Time;
use futures::FutureExt;
use proto::google::r#type as gtype;
use proto::rapport::loyalty::v1 as pb;
use tonic::Status;

use super::Api;
use super::call::told;
use super::wire::money;
use crate::domain::breakage::{Age, Breakage, basis_points, estimate};
use crate::domain::liability::{Line, cost_micros, lines, total};
use crate::domain::{Currency, Money, Month, Program, Refusal};
use crate::roll_up;
use crate::store::liability::Scope;
use crate::store::liability_report::{Sample, Snapshot, parts};

impl Api {
    /// Adds what was posted to the sums of a program, part by part.
    pub(super) async fn roll_up(&self, scope: &Scope, now: Time) -> Result<(), Status> {
        let of = scope.clone();
        let parts = self.db.snapshot(move |tx| {
            let scope = of.clone();
            async move { parts(tx, &scope).await }.boxed()
        });
        let parts = parts.await.map_err(|e| told(&e))?;
        roll_up::add(&self.db, scope, parts, now).await.map_err(|e| told(&e))
    }
}

/// What a program owes in the currency of a purse, from one month to another.
pub(super) fn currency_message(
    program: &Program,
    purse: u32,
    snapshot: &Snapshot,
    (first, last, now): (Month, Month, Month),
) -> Result<pb::CurrencyLiability, Refusal> {
    let months = snapshot.months.get(&purse).cloned().unwrap_or_default();
    let message = |line: Line| month_message(program, purse, snapshot, &line);
    let ledger_points = snapshot.owed.get(&purse).copied().unwrap_or(0);
    let until = total(&months)?;
    let open_points = until.pending.saturating_add(until.available);
    let of_sample = |lots: &Sample| {
        let open = lots.open.get(&purse).cloned().unwrap_or_default();
        let endings = lots.endings.get(&purse).cloned().unwrap_or_default();
        let breakage = estimate(open_points, &open, &endings, now)?;
        Some(breakage_message(&breakage, lots.percent))
    };
    Ok(pb::CurrencyLiability {
        currency_code: program.code_of(purse).to_owned(),
        months: lines(&months, first, last)?.into_iter().map(message).collect::<Result<_, _>>()?,
        ledger_points,
        difference: until.net()?.checked_sub(ledger_points).ok_or(Refusal::AmountOverflow)?,
        breakage: snapshot.lots.as_ref().and_then(of_sample),
    })
}

fn month_message(
    program: &Program,
    purse: u32,
    snapshot: &Snapshot,
    line: &Line,
) -> Result<pb::LiabilityMonth, Refusal> {
    let seal = snapshot.seals.range(line.month..).next();
    let unit_cost = match seal {
        Some((_, costs)) => usize::try_from(purse).ok().and_then(|at| costs.get(at)).copied().unwrap_or(0),
        None => program.unit_cost_micros(purse),
    };
    let (moved, until) = (&line.moved, &line.until);
    let mut message = pb::LiabilityMonth {
        month: line.month.to_string(),
        opening: line.opening,
        issued: moved.issued,
        reversed: moved.reversed,
        redeemed: moved.redeemed,
        refunded: moved.refunded,
        expired: moved.expired,
        reinstated: moved.reinstated,
        adjusted: moved.adjusted,
        waived: moved.waived,
        transferred: moved.transferred,
        closing: line.closing,
        pending: until.pending,
        available: until.available,
        held: until.held,
        arrears: until.arrears,
        unit_cost: None,
        cost: None,
        sealed: seal.is_some(),
    };
    if unit_cost > 0 {
        message.unit_cost = Some(money(Money { currency: program.currency, micros: unit_cost }));
        message.cost = Some(cost(program.currency, cost_micros(line.closing, unit_cost))?);
    }
    Ok(message)
}

/// An amount that may be negative: then both its parts are.
fn cost(currency: Currency, micros: i128) -> Result<gtype::Money, Refusal> {
    const PER_UNIT: i128 = Money::MICROS_PER_UNIT as i128;
    Ok(gtype::Money {
        currency_code: currency.code().to_owned(),
        units: i64::try_from(micros / PER_UNIT).map_err(|_| Refusal::AmountOverflow)?,
        nanos: i32::try_from(micros % PER_UNIT * 1_000).map_err(|_| Refusal::AmountOverflow)?,
    })
}

fn breakage_message(breakage: &Breakage, sample_percent: i32) -> pb::BreakageEstimate {
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let age = |(months, age): (usize, &Age)| pb::BreakageAge {
        age_months: count(months),
        open_points: age.open,
        points_observed: age.unspent,
        points_observed_expired: age.expired,
        share_basis_points: age.share_basis_points(),
    };
    pb::BreakageEstimate {
        points: breakage.points,
        open_points: breakage.open,
        share_basis_points: basis_points(breakage.points, breakage.open),
        points_observed: breakage.observed,
        points_observed_expired: breakage.observed_expired,
        vintages_observed: count(breakage.vintages),
        sample_percent,
        ages: breakage.ages.iter().enumerate().map(age).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_exact_on_both_sides_of_zero() {
        let usd = Currency::try_new("USD").unwrap();
        let told = |micros| cost(usd, micros).map(|money| (money.units, money.nanos));
        assert_eq!(told(12_345_678), Ok((12, 345_678_000)));
        assert_eq!(told(-12_345_678), Ok((-12, -345_678_000)));
        assert_eq!(told(i128::from(i64::MAX) * 2_000_000), Err(Refusal::AmountOverflow));
    }
}
