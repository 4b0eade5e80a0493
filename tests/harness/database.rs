//! Statements on a database of a story, to look at it or to damage it.

use db::Db;
use db::sea_orm::{ConnectionTrait, Statement};
use futures::FutureExt;

/// Runs a statement, and returns how many rows it changed.
pub async fn execute(db: &Db, sql: &str) -> u64 {
    let sql = sql.to_owned();
    let run = db.transact(move |tx| {
        let sql = sql.clone();
        async move { Ok(tx.execute_unprepared(&sql).await?.rows_affected()) }.boxed()
    });
    run.await.expect("the statement runs")
}

/// The number `n` that a statement selects.
pub async fn count(db: &Db, sql: &str) -> i64 {
    let statement = Statement::from_string(db.backend(), sql.to_owned());
    let row = db.reader().query_one_raw(statement).await;
    row.expect("the database answers").expect("a row").try_get("", "n").expect("a number")
}
