//! `rapport audit`: every invariant of the ledger, asked of a running suite or of its files.

use std::fmt::Write as _;

use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::audit_service_client::AuditServiceClient;
use rpc::client::Client;
use serde::Serialize;

use crate::cli::AuditArgs;
use crate::compose;
use crate::output::{self, Format, grouped};
use crate::{Failure, target};

/// The tenant of a suite without authentication.
const TENANT: &str = "default";

/// Audits, prints what was found, and fails if the ledger is not sound.
pub(crate) async fn run(args: AuditArgs) -> Result<(), Failure> {
    let answer = match &args.data_dir {
        Some(data_dir) => {
            let db = compose::open_read_only(data_dir).await?;
            let answer = loyalty::audit(&db, TENANT, &args.program).await;
            db.close().await;
            let unknown = || Failure::usage(format!("there is no program {}", args.program));
            answer?.ok_or_else(unknown)?
        }
        None => ask(target::connect(&args.target.target).await?, &args.program).await?,
    };
    let report = Report::of(&answer);
    match args.output.output {
        Format::Json => output::json(&report)?,
        Format::Text => output::print(&report.table()),
    }
    report.verdict()
}

/// The audit of a running suite; an empty program means all.
pub(crate) async fn ask(client: Client, program_id: &str) -> Result<pb::AuditLedgerResponse, Failure> {
    let request = pb::AuditLedgerRequest { program_id: program_id.to_owned() };
    Ok(AuditServiceClient::new(client).audit_ledger(request).await?.into_inner())
}

/// What an audit found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) sound: bool,
    pub(crate) ledger_imbalance: i64,
    checks: Vec<Check>,
    totals: Totals,
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    violations: i64,
    imbalance: i64,
    examples: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct Totals {
    wallets: i64,
    activities: i64,
    postings: i64,
    redemptions: i64,
    issued: i64,
    redeemed: i64,
    expired: i64,
    adjusted: i64,
    available: i64,
    pending: i64,
    held: i64,
    reversed: i64,
    arrears: i64,
    waived: i64,
    transferred: i64,
}

impl Report {
    pub(crate) fn of(answer: &pb::AuditLedgerResponse) -> Report {
        let check = |check: &pb::AuditCheck| Check {
            name: check.name.clone(),
            violations: check.violations,
            imbalance: check.imbalance,
            examples: check.examples.clone(),
        };
        let totals = answer.totals.unwrap_or_default();
        Report {
            sound: answer.sound,
            ledger_imbalance: answer.ledger_imbalance,
            checks: answer.checks.iter().map(check).collect(),
            totals: Totals {
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
            },
        }
    }

    /// An error if the ledger is not sound, whatever else went well.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        if self.sound && self.ledger_imbalance == 0 {
            return Ok(());
        }
        let broken = self.checks.iter().filter(|check| check.violations != 0 || check.imbalance != 0);
        let broken: Vec<&str> = broken.map(|check| check.name.as_str()).collect();
        Err(Failure::failed(format!(
            "the ledger is not sound: imbalance {} point(s), broken: {}; look at the wallets named, and \
             restore from a backup if they cannot be explained",
            grouped(self.ledger_imbalance),
            broken.join(", ")
        )))
    }

    fn table(&self) -> String {
        let mut text = String::new();
        let width = self.checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0).max(5);
        let _ = writeln!(text, "{:<width$}  {:>10}  {:>12}", "check", "violations", "imbalance");
        for check in &self.checks {
            let (violations, imbalance) = (grouped(check.violations), grouped(check.imbalance));
            let _ = writeln!(text, "{:<width$}  {violations:>10}  {imbalance:>12}", check.name);
            for example in &check.examples {
                let _ = writeln!(text, "    {example}");
            }
        }
        let totals = &self.totals;
        let _ = writeln!(text);
        let rows = [
            ("wallets", totals.wallets),
            ("activities", totals.activities),
            ("postings", totals.postings),
            ("redemptions", totals.redemptions),
            ("points issued", totals.issued),
            ("points redeemed", totals.redeemed),
            ("points expired", totals.expired),
            ("points adjusted", totals.adjusted),
            ("points reversed", totals.reversed),
            ("points waived", totals.waived),
            ("points transferred", totals.transferred),
            ("points available", totals.available),
            ("points pending", totals.pending),
            ("points held", totals.held),
            ("points in arrears", totals.arrears),
        ];
        for (name, number) in rows {
            let _ = writeln!(text, "{name:<18}{:>14}", grouped(number));
        }
        let sound = if self.sound { "sound" } else { "NOT SOUND" };
        let _ = writeln!(text, "\nThe ledger is {sound}; imbalance {}.", grouped(self.ledger_imbalance));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(violations: i64) -> pb::AuditLedgerResponse {
        pb::AuditLedgerResponse {
            ledger_imbalance: violations * 5,
            sound: violations == 0,
            checks: vec![pb::AuditCheck {
                name: "wallet totals equal postings".into(),
                violations,
                imbalance: violations * 5,
                examples: (0..violations).map(|n| format!("wallet {n}")).collect(),
            }],
            totals: Some(pb::LedgerTotals { issued: 1_234_567, ..Default::default() }),
        }
    }

    #[test]
    fn a_violation_is_named_and_fails() {
        let sound = Report::of(&answer(0));
        assert!(sound.verdict().is_ok());
        assert!(sound.table().contains("1,234,567"));
        let broken = Report::of(&answer(2));
        let line = broken.verdict().unwrap_err().to_string();
        assert!(line.contains("imbalance 10 point(s), broken: wallet totals equal postings"), "{line}");
        assert!(broken.table().contains("wallet 1"));
    }
}
