//! SealLiabilityPeriod: the figures of a month, and of those before it, stay as they are.

use ambient::Time;
use db::Tx;
use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Once, Written};
use rpc::Problem;
use tonic::{Code, Request, Status};

use super::Api;
use super::call::told;
use super::refusal::{DOMAIN, program_not_found};
use super::wire::{timestamp, uuid};
use crate::domain::Month;
use crate::store::liability::{self, Scope};
use crate::store::{Owner, programs};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::SealLiabilityPeriodRequest>,
) -> Result<pb::SealLiabilityPeriodResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let month = Month::parse(&message.month).filter(|month| *month >= Month::FIRST);
    if month.is_none() {
        found.add(&Path::ROOT, "month", format!("must be a month from {} on, such as 2024-01", Month::FIRST));
    }
    found.into_result(DOMAIN)?;
    let month = month.ok_or_else(|| rpc::error::internal_because("a valid month was not decoded"))?;
    let program = api.catalogue.program(api.db.reader(), &caller.tenant, &message.program_id).await;
    let program = program.map_err(|e| told(&e))?.ok_or_else(|| program_not_found(&message.program_id))?;
    let scope = Scope::of(&caller.tenant, &program);
    let now = api.clock.now();
    // Most of it in parts, so that little is left for the transaction that seals.
    api.roll_up(&scope, now).await?;
    let call = caller.call(DOMAIN, "SealLiabilityPeriod", request_id, &message);
    let command = Once { scope: Owner::named(&caller.tenant, &message.program_id), call, now };
    let submitted = api.submit_once(&caller, command, move |tx| {
        let scope = scope.clone();
        async move { seal(tx, &scope, month, now).await }.boxed()
    });
    let (response, replayed): (pb::SealLiabilityPeriodResponse, bool) = submitted.await?;
    Ok(pb::SealLiabilityPeriodResponse { replayed, ..response })
}

async fn seal(tx: &Tx, scope: &Scope, month: Month, now: Time) -> Result<Written, db::Error> {
    let sealed = liability::locked_seal(tx, scope).await?;
    if let Some(sealed) = sealed.filter(|sealed| *sealed >= month) {
        return Ok(Written::refused(&period_sealed(month, sealed)));
    }
    let end = month.plus(1).start(scope.zone);
    if end > now {
        return Ok(Written::refused(&period_not_over(month, end)));
    }
    if liability::is_unsettled(tx, scope, end).await? {
        return Ok(Written::refused(&period_not_settled(month)));
    }
    let Some(program) = programs::find(tx, &scope.tenant, &scope.program_id).await? else {
        return Ok(Written::refused(&program_not_found(&scope.program_id)));
    };
    liability::roll_up(tx, scope, now, liability::BUCKETS).await?;
    liability::seal(tx, scope, month, &program, now).await?;
    let response = pb::SealLiabilityPeriodResponse {
        sealed_month: month.to_string(),
        seal_time: Some(timestamp(now)),
        replayed: false,
    };
    Ok(Written::done(&response))
}

fn period_sealed(month: Month, sealed: Month) -> Problem {
    let message = format!("{month} is sealed: all months up to {sealed} are");
    Problem::new(Code::AlreadyExists, DOMAIN, "PERIOD_SEALED", message)
        .with("month", month)
        .with("sealed_month", sealed)
}

fn period_not_over(month: Month, end: Time) -> Problem {
    let message = format!("{month} lasts until {end} in the program's time zone");
    Problem::precondition(DOMAIN, "PERIOD_NOT_OVER", message).with("month", month).with("end_time", end)
}

fn period_not_settled(month: Month) -> Problem {
    let message =
        format!("what fell due by the end of {month} is still being settled; try again in a moment");
    Problem::precondition(DOMAIN, "PERIOD_NOT_SETTLED", message).with("month", month)
}
