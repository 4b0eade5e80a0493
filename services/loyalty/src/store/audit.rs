//! The audit of the ledger: every invariant as one statement that returns what breaks it.
//!
//! `ledger_imbalance` = sum of |wallet total - its postings| + |account - lots behind it| + |held - open
//! holds| + |member accounts - program accounts| and the like: 0 in a sound ledger, whoever wrote to it.

mod checks;

use db::sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};
use db::{Tenant, Tx};
use uuid::Uuid;

use super::purse_rows::{counts, earnings, outstanding, purses};
use super::{liability, nil};
use crate::domain::Account;

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Points by which the books disagree, over all checks.
    pub imbalance: i64,
    /// Each check.
    pub checks: Vec<Check>,
    /// Sums over wallets.
    pub totals: Totals,
}

/// One invariant and what breaks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// Rows or wallets that break it.
    pub violations: i64,
    /// By how much, in points or, where nothing is counted in points, in rows.
    pub imbalance: i64,
    /// Up to ten wallets.
    pub examples: Vec<Uuid>,
}

/// Sums over wallets, as the postings have them: of points of the main currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct Totals {
    /// How many.
    pub wallets: i64,
    /// How many.
    pub activities: i64,
    /// How many.
    pub postings: i64,
    /// How many.
    pub redemptions: i64,
    /// Points.
    pub issued: i64,
    /// Points.
    pub redeemed: i64,
    /// Points.
    pub expired: i64,
    /// Points.
    pub adjusted: i64,
    /// Points.
    pub available: i64,
    /// Points.
    pub pending: i64,
    /// Points.
    pub held: i64,
    /// Points.
    pub reversed: i64,
    /// Points.
    pub arrears: i64,
    /// Points.
    pub waived: i64,
    /// Points; 0 in a sound ledger.
    pub transferred: i64,
}

/// Audits the wallets of a tenant; of one program unless `program_id` is empty. Run it on one snapshot.
///
/// # Errors
/// That the database refused.
pub async fn audit(tx: &Tx, tenant: &Tenant, program_id: &str) -> Result<Report, db::Error> {
    let scope = [Value::from(tenant.id()), Value::from(program_id)];
    let mut checks = Vec::new();
    for (name, sql) in checks::CHECKS {
        checks.push(run(tx, name, (*sql).to_owned(), &scope).await?);
    }
    checks.push(run(tx, "wallet_totals_match_postings", totals_match_postings(), &scope).await?);
    checks
        .push(run(tx, "liability_months_match_postings", liability::months_match_postings(), &scope).await?);
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), totals_sql(), scope);
    let totals = Totals::find_by_statement(statement).one(tx).await?.unwrap_or_default();
    let imbalance = checks.iter().fold(0_i64, |sum, check| sum.saturating_add(check.imbalance));
    Ok(Report { imbalance, checks, totals })
}

#[derive(FromQueryResult)]
struct Found {
    violations: i64,
    imbalance: i64,
}

#[derive(FromQueryResult)]
struct Example {
    wallet_id: Option<Uuid>,
}

async fn run(tx: &Tx, name: &'static str, sql: String, scope: &[Value; 2]) -> Result<Check, db::Error> {
    let backend = tx.get_database_backend();
    let sql = sql
        .replace("NIL", nil(backend))
        .replace("PURSES", &purses(backend))
        .replace("EARNINGS", &earnings(backend))
        .replace("OUTSTANDING", &outstanding(backend))
        .replace("COUNTS", &counts(backend));
    let broken = format!("(SELECT wallet_id, diff FROM ({sql}) x WHERE diff <> 0) y");
    let count = format!(
        "SELECT CAST(COUNT(*) AS BIGINT) AS violations, CAST(COALESCE(SUM(diff), 0) AS BIGINT) AS imbalance \
         FROM {broken}"
    );
    let found = Found::find_by_statement(Statement::from_sql_and_values(backend, count, scope.clone()))
        .one(tx)
        .await?
        .unwrap_or(Found { violations: 0, imbalance: 0 });
    let mut examples = Vec::new();
    if found.violations > 0 {
        let list = format!("SELECT wallet_id FROM {broken} ORDER BY wallet_id LIMIT 10");
        let rows = Example::find_by_statement(Statement::from_sql_and_values(backend, list, scope.clone()));
        examples = rows.all(tx).await?.into_iter().filter_map(|e| e.wallet_id).collect();
    }
    Ok(Check { name, violations: found.violations, imbalance: found.imbalance, examples })
}

pub(super) fn column(account: Account) -> &'static str {
    match account {
        Account::Pending => "pending",
        Account::Available => "available",
        Account::Held => "held",
        Account::Arrears => "arrears",
        Account::Issued => "issued",
        Account::Reversed => "reversed",
        Account::Redeemed => "redeemed",
        Account::Expired => "expired",
        Account::Adjusted => "adjusted",
        Account::Waived => "waived",
        Account::Transfer => "transferred",
    }
}

fn totals_match_postings() -> String {
    const SCOPE: &str = "w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)";
    let each = |of: fn(&str) -> String, between: &str| Account::ALL.map(column).map(of).join(between);
    format!(
        "SELECT wallet_id, {} AS diff FROM (SELECT w.bucket, w.tenant_id, w.wallet_id, w.purse, {} \
         FROM PURSES w WHERE {SCOPE} UNION ALL SELECT p.bucket, p.tenant_id, p.wallet_id, p.purse, {} \
         FROM ({}) p JOIN wallet w ON w.bucket = p.bucket AND w.tenant_id = p.tenant_id \
         AND w.wallet_id = p.wallet_id WHERE {SCOPE}) t GROUP BY bucket, tenant_id, wallet_id, purse",
        each(|name| format!("ABS(SUM({name}))"), " + "),
        each(|name| format!("w.{name}"), ", "),
        each(|name| format!("-p.{name}"), ", "),
        posting_sums()
    )
}

/// The totals of each purse as its postings have them.
fn posting_sums() -> String {
    let sum = |account: Account| {
        let (number, name) = (account as i32, column(account));
        let (debit, credit) = if account.grows_by_debit() { ("", "-") } else { ("-", "") };
        format!(
            "SUM(CASE {number} WHEN debit THEN {debit}points WHEN credit THEN {credit}points ELSE 0 END) \
             AS {name}"
        )
    };
    let sums = Account::ALL.map(sum).join(", ");
    format!(
        "SELECT bucket, tenant_id, wallet_id, purse, {sums} FROM posting \
         WHERE tenant_id = $1 GROUP BY bucket, tenant_id, wallet_id, purse"
    )
}

fn totals_sql() -> String {
    let sum = |name: &str| format!("CAST(COALESCE(SUM(p.{name}), 0) AS BIGINT) AS {name}");
    let sums = Account::ALL.map(column).map(sum).join(", ");
    let count = |table: &str| {
        format!(
            "(SELECT CAST(COUNT(*) AS BIGINT) FROM {table} t JOIN wallet v ON v.bucket = t.bucket \
             AND v.tenant_id = t.tenant_id AND v.wallet_id = t.wallet_id \
             WHERE v.tenant_id = $1 AND ($2 = '' OR v.program_id = $2))"
        )
    };
    format!(
        "SELECT CAST(COUNT(*) AS BIGINT) AS wallets, {} AS activities, {} AS redemptions, {} AS postings, \
         {sums} FROM wallet w LEFT JOIN ({}) p ON p.bucket = w.bucket AND p.tenant_id = w.tenant_id \
         AND p.wallet_id = w.wallet_id AND p.purse = 0 \
         WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)",
        count("activity"),
        count("redemption"),
        count("posting"),
        posting_sums()
    )
}
