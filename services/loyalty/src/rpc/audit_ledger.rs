//! AuditLedger: every invariant, checked on one snapshot.

use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::program_not_found;
use crate::ledger;
use crate::store::{self, Check, Report};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::AuditLedgerRequest>,
) -> Result<pb::AuditLedgerResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let (tenant, program_id) = (caller.tenant.clone(), message.program_id);
    let of_all = program_id.is_empty();
    if !of_all {
        let program = api.catalogue.program(api.db.reader(), &tenant, &program_id).await;
        program.map_err(|e| told(&e))?.ok_or_else(|| program_not_found(&program_id))?;
    }
    let report = api.db.scan(move |tx| {
        let (tenant, program_id) = (tenant.clone(), program_id.clone());
        async move { store::audit(tx, &tenant, &program_id).await }.boxed()
    });
    let report = report.await.map_err(|e| told(&e))?;
    // A look at one program does not say that the others are sound.
    if of_all {
        ledger::audited(report.imbalance);
    }
    Ok(response(report))
}

pub(crate) fn response(report: Report) -> pb::AuditLedgerResponse {
    let totals = report.totals;
    pb::AuditLedgerResponse {
        ledger_imbalance: report.imbalance,
        sound: report.checks.iter().all(|check| check.violations == 0),
        checks: report.checks.into_iter().map(check_message).collect(),
        totals: Some(pb::LedgerTotals {
            wallets: totals.wallets,
            activities: totals.activities,
            postings: totals.postings,
            redemptions: totals.redemptions,
            issued: totals.issued,
            redeemed: totals.redeemed,
            expired: totals.expired,
            adjusted: totals.adjusted,
            available: totals.available,
            pending: totals.pending,
            held: totals.held,
            reversed: totals.reversed,
            arrears: totals.arrears,
            waived: totals.waived,
            transferred: totals.transferred,
        }),
    }
}

fn check_message(check: Check) -> pb::AuditCheck {
    pb::AuditCheck {
        name: check.name.to_owned(),
        violations: check.violations,
        imbalance: check.imbalance,
        examples: check.examples.iter().map(ToString::to_string).collect(),
    }
}
