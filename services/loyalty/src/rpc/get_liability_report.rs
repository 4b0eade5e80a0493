//! GetLiabilityReport: what a program owes, month by month, on one snapshot of the ledger.

use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::liability_wire::currency_message;
use super::refusal::{DOMAIN, problem, program_not_found};
use super::wire::timestamp;
use crate::domain::{Month, Program, Refusal};
use crate::store::liability::{Months, Scope};
use crate::store::{liability_report, programs};

/// As many months as are told at once.
const MONTHS_MAX: i32 = 120;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetLiabilityReportRequest>,
) -> Result<pb::GetLiabilityReportResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let found = programs::find(api.db.reader(), &caller.tenant, &message.program_id).await;
    let missing = || program_not_found(&message.program_id);
    let program = found.map_err(|e| told(&e))?.ok_or_else(missing)?;
    let purses = purses(&program, &message.currency_code).map_err(|refusal| problem(&refusal))?;
    let now = api.clock.now();
    let current = Month::of(program.time_zone, now);
    let asked = asked(&message, current)?;
    let scope = Scope::of(&caller.tenant, &program);
    api.roll_up(&scope, now).await?;
    let with_lots = !message.skip_breakage;
    let snapshot = api.db.snapshot(move |tx| {
        let scope = scope.clone();
        async move { liability_report::read(tx, &scope, now, with_lots).await }.boxed()
    });
    let snapshot = snapshot.await.map_err(|e| told(&e))?;
    let (first, last) = range(asked, &snapshot.months, current);
    let currency = |purse: u32| currency_message(&program, purse, &snapshot, (first, last, current));
    let currencies: Result<Vec<_>, Refusal> = purses.into_iter().map(currency).collect();
    Ok(pb::GetLiabilityReportResponse {
        as_of_time: Some(timestamp(now)),
        time_zone: program.time_zone.name().to_owned(),
        sealed_month: snapshot.seals.keys().next_back().map(ToString::to_string).unwrap_or_default(),
        currencies: currencies.map_err(|refusal| problem(&refusal))?,
    })
}

/// The purse of the currency with this code, or all of them.
fn purses(program: &Program, code: &str) -> Result<Vec<u32>, Refusal> {
    if code.is_empty() {
        return Ok(program.purses().collect());
    }
    let purse = program.purse_of(code);
    Ok(vec![purse.ok_or_else(|| Refusal::PointCurrencyNotFound { code: code.to_owned() })?])
}

/// The first and the last month that were asked for.
fn asked(
    message: &pb::GetLiabilityReportRequest,
    current: Month,
) -> Result<(Option<Month>, Option<Month>), Status> {
    let (first, last) = (Month::parse(&message.first_month), Month::parse(&message.last_month));
    let mut found = Violations::default();
    if last.is_some_and(|last| last > current) {
        found.add(&Path::ROOT, "last_month", format!("must not lie after the current one, {current}"));
    }
    if let Some(first) = first {
        let months = last.unwrap_or(current).since(first).saturating_add(1);
        if months < 1 {
            found.add(&Path::ROOT, "first_month", "must not lie after the last month");
        } else if months > MONTHS_MAX {
            found.add(&Path::ROOT, "first_month", format!("must be at most {MONTHS_MAX} months to the last"));
        }
    }
    found.into_result(DOMAIN)?;
    Ok((first, last))
}

/// The months that are told: without a wish all in which points moved, up to the current one. What another
/// process summed up, by a clock that is ahead, is told too.
fn range((first, last): (Option<Month>, Option<Month>), of: &Months, current: Month) -> (Month, Month) {
    let newest = of.values().filter_map(|months| months.keys().next_back()).max();
    let last = last.unwrap_or_else(|| newest.copied().unwrap_or(current).max(current));
    let oldest = of.values().filter_map(|months| months.keys().next()).min();
    let oldest = oldest.copied().unwrap_or(last).clamp(last.plus(1 - MONTHS_MAX), last);
    (first.unwrap_or(oldest), last)
}
