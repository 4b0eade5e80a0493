//! Balances of the past: postings up to a moment, plus what fell due by then and was not settled yet.

use ambient::Time;
use db::Owner;
use db::sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use crate::domain::{Account, Totals};

#[derive(FromQueryResult)]
struct Moved {
    debit: i32,
    credit: i32,
    points: i64,
}

#[derive(FromQueryResult)]
struct Due {
    points: i64,
}

/// The totals of a wallet at `at`, as known now.
///
/// # Errors
/// That the database refused, or `Damaged` for a posting that names an unknown account.
pub async fn totals_at(db: &impl ConnectionTrait, owner: &Owner, at: Time) -> Result<Totals, db::Error> {
    const MOVED: &str = "SELECT debit, credit, CAST(SUM(points) AS BIGINT) AS points FROM posting \
         WHERE bucket = $1 AND tenant_id = $2 AND wallet_id = $3 AND effective_time <= $4 \
         GROUP BY debit, credit";
    const DUE: &str = "SELECT CAST(COALESCE(SUM(remaining), 0) AS BIGINT) AS points FROM lot \
         WHERE bucket = $1 AND tenant_id = $2 AND wallet_id = $3 AND open = 1 AND expire_time <= $4";
    let statement = |sql: &'static str| {
        let values = owner.key_with([at.micros().into()]);
        Statement::from_sql_and_values(db.get_database_backend(), sql, values)
    };
    let damaged = || db::Error::Damaged("a posting's accounts cannot be summed".into());
    let mut totals = Totals::default();
    for moved in Moved::find_by_statement(statement(MOVED)).all(db).await? {
        let debit = Account::from_number(moved.debit).ok_or_else(damaged)?;
        let credit = Account::from_number(moved.credit).ok_or_else(damaged)?;
        totals.post(debit, credit, moved.points).map_err(|_| damaged())?;
    }
    if let Some(due) = Due::find_by_statement(statement(DUE)).one(db).await? {
        totals.post(Account::Available, Account::Expired, due.points).map_err(|_| damaged())?;
    }
    Ok(totals)
}
