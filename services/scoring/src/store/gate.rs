//! The gate that is shut while everything is made again: events wait before it, and no number leaves.
//!
//! It has two rows. A rebuild first announces itself in one, which nobody holds: from then on no batch of
//! events passes. Then it begins by changing the other, which every batch that passed holds shared until its
//! transaction ends: so it begins when the last of them is in. With one row alone, batches that overlap
//! without end would keep a rebuild from beginning: PostgreSQL lets the next one share a row that somebody
//! waits to change. A batch that meets the change finds the changed row, whatever its snapshot, so none
//! slips through. On SQLite the one writer stands for all locks.
//!
//! A later attempt takes the gate over: it cannot begin while a page of an earlier one is open, and no page
//! of the earlier one opens afterwards. Both rows open at once, and only for the attempt that shut them.

use db::Tx;
use db::sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement, Value};

/// Why a read is refused: everything is being made again, and what is there may be half of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilding;

/// The row that tells of a rebuild, begun or not.
pub(super) const ANNOUNCED: i32 = 1;
/// The row that a rebuild changes to begin.
const BEGUN: i32 = 2;

#[derive(FromQueryResult)]
struct Rows {
    announced: bool,
    begun: bool,
    attempt: i64,
}

/// Lets a batch of events pass: no rebuild begins before the transaction ends.
///
/// # Errors
/// `Busy` while everything is being made again.
pub async fn pass(tx: &Tx) -> Result<(), db::Error> {
    let rows = held(tx).await?;
    if rows.announced || rows.begun {
        return Err(db::Error::Busy(DbErr::Custom("scores and profiles are being made again".to_owned())));
    }
    Ok(())
}

/// Whether what the same snapshot reads is whole.
///
/// # Errors
/// That the database refused.
pub async fn check(db: &impl ConnectionTrait) -> Result<Result<(), Rebuilding>, db::Error> {
    let rows = rows(db, "").await?;
    Ok(if rows.announced { Err(Rebuilding) } else { Ok(()) })
}

/// Announces a rebuild and returns its attempt: one more than the last.
///
/// # Errors
/// That the database refused.
pub(super) async fn announce(tx: &Tx) -> Result<i64, db::Error> {
    let sql = "UPDATE rebuild SET attempt = attempt + 1, running = TRUE WHERE id = $1 RETURNING attempt";
    let row = tx.query_one_raw(statement(tx, sql, [ANNOUNCED.into()])).await?;
    Ok(row.ok_or_else(missing)?.try_get("", "attempt")?)
}

/// Begins an announced rebuild, once no batch that passed and no page of an earlier attempt is open.
///
/// # Errors
/// `Busy` if one stays open for too long; `Aborted` if a later attempt has begun.
pub(super) async fn begin(tx: &Tx, attempt: i64) -> Result<(), db::Error> {
    let sql = "UPDATE rebuild SET attempt = $1, running = TRUE WHERE id = $2 AND attempt < $1";
    changed(tx, sql, [attempt.into(), BEGUN.into()], 1).await
}

/// Makes sure that this attempt is the one under way, until the transaction ends.
///
/// # Errors
/// `Aborted` if it is not.
pub(super) async fn keep(tx: &Tx, attempt: i64) -> Result<(), db::Error> {
    let rows = held(tx).await?;
    if rows.begun && rows.attempt == attempt { Ok(()) } else { Err(db::Error::Aborted) }
}

/// Opens the gate.
///
/// # Errors
/// `Aborted` if a later attempt was announced, or this one has ended.
pub(super) async fn open(tx: &Tx, attempt: i64) -> Result<(), db::Error> {
    let sql = "UPDATE rebuild SET running = FALSE WHERE attempt = $1 AND running";
    changed(tx, sql, [attempt.into()], 2).await
}

/// Both rows; the second stays as it is until the transaction ends.
async fn held(tx: &Tx) -> Result<Rows, db::Error> {
    let lock = if tx.get_database_backend() == DbBackend::Postgres { "FOR SHARE OF b" } else { "" };
    rows(tx, lock).await
}

async fn rows(db: &impl ConnectionTrait, lock: &str) -> Result<Rows, db::Error> {
    let sql = format!(
        "SELECT a.running AS announced, b.running AS begun, b.attempt AS attempt \
         FROM rebuild b JOIN rebuild a ON a.id = $1 WHERE b.id = $2 {lock}"
    );
    let row = db.query_one_raw(statement(db, &sql, [ANNOUNCED.into(), BEGUN.into()])).await?;
    Ok(Rows::from_query_result(&row.ok_or_else(missing)?, "")?)
}

async fn changed<const N: usize>(tx: &Tx, sql: &str, values: [Value; N], rows: u64) -> Result<(), db::Error> {
    let changed = tx.execute_raw(statement(tx, sql, values)).await?.rows_affected();
    if changed == rows { Ok(()) } else { Err(db::Error::Aborted) }
}

fn statement<const N: usize>(db: &impl ConnectionTrait, sql: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(db.get_database_backend(), sql, values)
}

fn missing() -> db::Error {
    db::Error::Damaged("a row of the table rebuild is missing".to_owned())
}
