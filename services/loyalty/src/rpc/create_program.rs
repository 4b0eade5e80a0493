//! CreateProgram: checks the rules of a new program and writes it once.

use ambient::Time;
use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Once, Written};
use tonic::{Request, Status};

use super::Api;
use super::program_wire::{expiry, further, named, program_message, referral, release, unit_cost};
use super::redemption_wire::redemption_policy;
use super::refusal::{DOMAIN, exists};
use super::rule_wire::per;
use super::tier_wire::ladder;
use super::velocity_wire::velocity;
use super::wire::uuid;
use crate::domain::{Basis, Currency, CurrencyKind, EarningRule, PointCurrency, Program, ReturnPolicy};
use crate::store::{Owner, programs};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::CreateProgramRequest>,
) -> Result<pb::CreateProgramResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let now = api.clock.now();
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let program = decode(message.program.as_ref(), now, &mut found);
    found.into_result(DOMAIN)?;
    let program = program.ok_or_else(|| rpc::error::internal_because("a valid program was not decoded"))?;
    let call = caller.call(DOMAIN, "CreateProgram", request_id, &message);
    let command = Once { scope: Owner::named(&caller.tenant, &program.id), call, now };
    let tenant = caller.tenant.clone();
    let submitted = api.submit_once(&caller, command, move |tx| {
        let (tenant, program) = (tenant.clone(), program.clone());
        async move {
            if programs::find(tx, &tenant, &program.id).await?.is_some() {
                let problem = exists("PROGRAM_EXISTS", &format!("program {}", program.id));
                return Ok(Written::refused(&problem.with("program_id", &program.id)));
            }
            programs::insert(tx, &tenant, &program).await?;
            let program = Some(program_message(&program));
            let response = pb::CreateProgramResponse { program, replayed: false };
            Ok(Written::done(&response))
        }
        .boxed()
    });
    let (response, replayed): (pb::CreateProgramResponse, bool) = submitted.await?;
    Ok(pb::CreateProgramResponse { replayed, ..response })
}

pub(super) fn decode(given: Option<&pb::Program>, now: Time, found: &mut Violations) -> Option<Program> {
    let given = given?;
    let root = Path::ROOT;
    let path = root.field("program");
    let zone = if given.time_zone.is_empty() { "UTC" } else { given.time_zone.as_str() };
    let time_zone = zone.parse();
    if time_zone.is_err() {
        found.add(&path, "time_zone", "must be an IANA name such as Europe/Berlin");
    }
    if given.money_currency_code.is_empty() {
        found.add(&path, "money_currency_code", "must be set");
    }
    let currency = Currency::try_new(&given.money_currency_code)?;
    let points = given.point_currency.clone().unwrap_or_default();
    let code = if points.code.is_empty() { "points".to_owned() } else { points.code };
    let further = further(&given.further_currencies, (&code, Some(currency)), &path, found);
    let ladder = ladder(given, currency, &path, found);
    let qualifying = further.iter().any(|one| one.kind == CurrencyKind::Qualifying);
    if ladder.policy.basis == Basis::Credits && !qualifying {
        found.add(&path.field("tier_policy"), "basis", "needs a further currency whose kind is QUALIFYING");
    }
    Some(Program {
        further,
        rule: rule(given.earning_rule.as_ref(), currency, &path, found),
        rule_sets: Vec::new(),
        release: release(given.release_policy.as_ref()),
        return_policy: ReturnPolicy::from_number(given.return_policy).unwrap_or(ReturnPolicy::WithinBalance),
        expiry: expiry(given.expiry_policy.as_ref(), &path, found),
        ladder,
        redemption: redemption_policy(given.redemption_policy.as_ref()),
        velocity: velocity(&given.velocity_limits, &path, found),
        referral: referral(given.referral_policy.as_ref(), currency, &path, found),
        time_zone: time_zone.ok()?,
        currency,
        points: PointCurrency {
            display_name: named(&points.display_name, &code),
            unit_cost_micros: unit_cost(
                points.unit_cost.as_ref(),
                Some(currency),
                &path.field("point_currency"),
                found,
            ),
            code,
        },
        display_name: named(&given.display_name, &given.program_id),
        id: given.program_id.clone(),
        version: 1,
        create_time: now,
    })
}

fn rule(
    given: Option<&pb::EarningRule>,
    currency: Currency,
    path: &Path<'_>,
    found: &mut Violations,
) -> Option<EarningRule> {
    let given = given?;
    let per_micros = per(given.per.as_ref(), currency, &path.field("earning_rule"), found)?;
    Some(EarningRule { points: given.points, per_micros })
}
