//! UpdateProgram: a name or a policy changes from now on, tiers from the next day on.

use std::mem::discriminant;

use ambient::Clock;
use chrono::{Days, NaiveDate};
use db::Tx;
use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Once, Written};
use rpc::Problem;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::program_wire::{etag, expiry, further, named, program_message, referral, release, unit_cost};
use super::redemption_wire::redemption_policy;
use super::refusal::{DOMAIN, problem, program_not_found};
use super::tier_wire::{policy, tiers};
use super::velocity_wire::velocity;
use super::wire::uuid;
use crate::domain::{
    Currency, Expiry, FurtherCurrency, Program, RedemptionPolicy, ReferralPolicy, Refusal, Release,
    ReturnPolicy, Tier, TierPolicy, VelocityLimit, local_date, start_of_day,
};
use crate::store::{Owner, Tenant, programs, rule_sets};

/// One new value.
#[derive(Clone, Debug)]
enum Change {
    Name(String),
    PointName(String),
    PointCost(i64),
    Expiry(Expiry),
    Release(Release),
    Returns(ReturnPolicy),
    Redemption(RedemptionPolicy),
    Referral(Option<ReferralPolicy>, Option<Currency>),
    Velocity(Vec<VelocityLimit>),
    Further(Vec<FurtherCurrency>),
    Tiers(Vec<Tier>),
    TierPolicy(TierPolicy),
}

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::UpdateProgramRequest>,
) -> Result<pb::UpdateProgramResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let now = api.clock.now();
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let given = message.program.clone().unwrap_or_default();
    let mask = message.update_mask.as_ref().map_or(&[][..], |mask| &mask.paths);
    let known = api.catalogue.program(api.db.reader(), &caller.tenant, &given.program_id).await;
    let known = known.map_err(|e| told(&e))?;
    let changes = changes(&given, mask, known.as_deref(), &mut found);
    found.into_result(DOMAIN)?;
    // Request ids are unique within a program, and there is none without it.
    known.ok_or_else(|| program_not_found(&given.program_id))?;
    let call = caller.call(DOMAIN, "UpdateProgram", request_id, &message);
    let command = Once { scope: Owner::named(&caller.tenant, &given.program_id), call, now };
    let (tenant, id, expected) = (caller.tenant.clone(), given.program_id, given.etag);
    let clock = api.clock.clone();
    let submitted = api.submit_once(&caller, command, move |tx| {
        let (tenant, id, expected, changes) = (tenant.clone(), id.clone(), expected.clone(), changes.clone());
        let clock = clock.clone();
        async move { write(tx, (&tenant, &id), &expected, (changes, clock)).await }.boxed()
    });
    let (response, replayed): (pb::UpdateProgramResponse, bool) = submitted.await?;
    Ok(pb::UpdateProgramResponse { replayed, ..response })
}

/// The new values. Of the program that is there only looks at what never changes.
fn changes(
    given: &pb::Program,
    mask: &[String],
    known: Option<&Program>,
    found: &mut Violations,
) -> Vec<Change> {
    let root = Path::ROOT;
    let path = root.field("program");
    let mut changes = Vec::with_capacity(mask.len());
    let currency = known.map(|program| program.currency);
    if mask.is_empty() {
        found.add(&root.field("update_mask"), "paths", "must name what to change");
    }
    for name in mask {
        changes.push(match name.as_str() {
            "display_name" => Change::Name(named(&given.display_name, &given.program_id)),
            "point_currency.display_name" => {
                let points = given.point_currency.as_ref();
                Change::PointName(points.map_or_else(String::new, |points| points.display_name.clone()))
            }
            "point_currency.unit_cost" => {
                let cost = given.point_currency.as_ref().and_then(|points| points.unit_cost.as_ref());
                let path = path.field("point_currency");
                Change::PointCost(unit_cost(cost, currency, &path, found))
            }
            "expiry_policy" => Change::Expiry(expiry(given.expiry_policy.as_ref(), &path, found)),
            "release_policy" => Change::Release(release(given.release_policy.as_ref())),
            "return_policy" => {
                let policy = ReturnPolicy::from_number(given.return_policy);
                Change::Returns(policy.unwrap_or(ReturnPolicy::WithinBalance))
            }
            "redemption_policy" => Change::Redemption(redemption_policy(given.redemption_policy.as_ref())),
            "further_currencies" => {
                let given = &given.further_currencies;
                Change::Further(further(given, ("", currency), &path, found))
            }
            "tiers" => {
                let Some(Program { ladder, currency, .. }) = known else { continue };
                Change::Tiers(tiers(&given.tiers, ladder.policy.basis, *currency, &path, found))
            }
            "tier_policy" => {
                let path = path.field("tier_policy");
                Change::TierPolicy(policy(given.tier_policy.as_ref(), &path, found))
            }
            "velocity_limits" => Change::Velocity(velocity(&given.velocity_limits, &path, found)),
            "referral_policy" => {
                let policy = given.referral_policy.as_ref();
                let code = policy.and_then(|policy| policy.min_amount.as_ref());
                let currency = code.and_then(|min| Currency::try_new(&min.currency_code));
                // Without an amount any currency will do.
                let of = currency.or_else(|| Currency::try_new("XXX"));
                let referral = of.and_then(|currency| referral(policy, currency, &path, found));
                Change::Referral(referral, currency)
            }
            other => {
                let may = "display_name, point_currency.display_name, point_currency.unit_cost, \
                           expiry_policy, release_policy, return_policy, redemption_policy, \
                           referral_policy, velocity_limits, further_currencies, tiers and \
                           tier_policy may change";
                found.add(&root.field("update_mask"), "paths", format!("must not name {other:?}: {may}"));
                continue;
            }
        });
    }
    changes
}

async fn write(
    tx: &Tx,
    (tenant, program_id): (&Tenant, &str),
    expected: &str,
    (changes, clock): (Vec<Change>, Clock),
) -> Result<Written, db::Error> {
    rule_sets::lock_program(tx, tenant, program_id, 0).await?;
    let Some(mut program) = programs::find(tx, tenant, program_id).await? else {
        return Ok(Written::refused(&program_not_found(program_id)));
    };
    if !expected.is_empty() && expected != etag(&program) {
        return Ok(Written::refused(&changed_since(expected, &program)));
    }
    let (mut tiers, mut policy) = (program.ladder.tiers.clone(), program.ladder.policy.clone());
    for change in &changes {
        match change {
            Change::Tiers(wanted) => tiers.clone_from(wanted),
            Change::TierPolicy(wanted) => policy.clone_from(wanted),
            _ => {}
        }
    }
    let changes_tiers = (&tiers, &policy) != (&program.ladder.tiers, &program.ladder.policy);
    // The day is that after the wait for the program: tomorrow must not have begun.
    let tomorrow = local_date(program.time_zone, clock.now()).checked_add_days(Days::new(1));
    let tomorrow = tomorrow.unwrap_or(NaiveDate::MAX);
    if changes_tiers {
        match program.ladder.changed(tiers, policy, tomorrow) {
            Ok(ladder) => program.ladder = ladder,
            Err(refusal) => return Ok(Written::refused(&problem(&refusal))),
        }
    }
    for change in changes {
        if let Err(refusal) = apply(&mut program, change) {
            return Ok(Written::refused(&refusal));
        }
    }
    program.version = program.version.saturating_add(1);
    programs::update(tx, tenant, &program).await?;
    if changes_tiers {
        programs::tiers_change(tx, tenant, program_id, start_of_day(program.time_zone, tomorrow)).await?;
    }
    let program = Some(program_message(&program));
    Ok(Written::done(&pb::UpdateProgramResponse { program, replayed: false }))
}

fn apply(program: &mut Program, change: Change) -> Result<(), Problem> {
    match change {
        Change::Name(name) => program.display_name = name,
        Change::PointName(name) => program.points.display_name = named(&name, &program.points.code),
        Change::PointCost(micros) => program.points.unit_cost_micros = micros,
        Change::Expiry(expiry) => program.expiry = expiry,
        Change::Release(release) => program.release = release,
        Change::Returns(policy) => program.return_policy = policy,
        Change::Redemption(policy) => program.redemption = policy,
        Change::Velocity(limits) => program.velocity = limits,
        Change::Referral(policy, currency) => {
            if let Some(given) = currency.filter(|given| *given != program.currency) {
                return Err(problem(&Refusal::CurrencyMismatch { expected: program.currency, given }));
            }
            program.referral = policy;
        }
        Change::Further(further) => program.further = extended(program, further)?,
        // They hold together, and from a day on.
        Change::Tiers(_) | Change::TierPolicy(_) => {}
    }
    Ok(())
}

/// Currencies stay what they are: points of them are in wallets, and rules name them.
fn extended(program: &Program, further: Vec<FurtherCurrency>) -> Result<Vec<FurtherCurrency>, Problem> {
    let in_use = |code: &str| {
        let message = format!("points currency {code} must stay where it is, with its code and kind");
        Problem::precondition(DOMAIN, "POINT_CURRENCY_IN_USE", message).with("currency_code", code)
    };
    let of = |one: &FurtherCurrency| (one.points.code.clone(), discriminant(&one.kind));
    for (n, before) in program.further.iter().enumerate() {
        if further.get(n).map(of) != Some(of(before)) {
            return Err(in_use(&before.points.code));
        }
    }
    if further.iter().any(|one| one.points.code == program.points.code) {
        return Err(in_use(&program.points.code));
    }
    Ok(further)
}

fn changed_since(expected: &str, program: &Program) -> Problem {
    let message = format!("program {} was changed meanwhile; read it again", program.id);
    Problem::aborted(DOMAIN, "ETAG_MISMATCH", message)
        .with("expected", expected)
        .with("actual", etag(program))
}
