//! Balances of the past: postings up to a moment.

use std::collections::BTreeMap;

use ambient::Time;
use db::Owner;
use db::sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use crate::domain::{Account, Totals};

#[derive(FromQueryResult)]
struct Moved {
    purse: i32,
    debit: i32,
    credit: i32,
    points: i64,
}

/// The totals of a wallet's purses at `at`, as known now. What fell due until then must have been settled.
///
/// # Errors
/// That the database refused, or `Damaged` for a posting that names an unknown account.
pub async fn totals_at(
    db: &impl ConnectionTrait,
    owner: &Owner,
    at: Time,
) -> Result<BTreeMap<u32, Totals>, db::Error> {
    const MOVED: &str = "SELECT purse, debit, credit, CAST(SUM(points) AS BIGINT) AS points FROM posting \
         WHERE bucket = $1 AND tenant_id = $2 AND wallet_id = $3 AND effective_time <= $4 \
         GROUP BY purse, debit, credit";
    let values = owner.key_with([at.micros().into()]);
    let statement = Statement::from_sql_and_values(db.get_database_backend(), MOVED, values);
    let damaged = || db::Error::Damaged("a posting's accounts cannot be summed".into());
    let mut purses: BTreeMap<u32, Totals> = BTreeMap::new();
    for moved in Moved::find_by_statement(statement).all(db).await? {
        let debit = Account::from_number(moved.debit).ok_or_else(damaged)?;
        let credit = Account::from_number(moved.credit).ok_or_else(damaged)?;
        let purse = u32::try_from(moved.purse).map_err(|_| damaged())?;
        let totals = purses.entry(purse).or_insert(Totals::ZERO);
        totals.post(debit, credit, moved.points).map_err(|_| damaged())?;
    }
    Ok(purses)
}
