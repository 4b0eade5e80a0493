//! Leases on buckets, in the machine time of the database: whoever holds one gives positions and delivers.

use std::time::Duration;

use db::sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};
use futures::FutureExt;
use uuid::Uuid;

use super::{Bucket, Buckets, Log, machine_now};
use crate::Place;

/// The leases that this process holds, under a name that it drew for itself.
#[derive(Clone, Debug)]
pub struct Leases {
    /// Who holds them.
    pub owner: Uuid,
    /// How long one lasts without renewal.
    pub duration: Duration,
    /// What is held.
    pub buckets: Buckets,
}

#[derive(FromQueryResult)]
struct Row {
    bucket: i32,
    token: i64,
    first_position: i64,
    last_position: i64,
    last_event_id: Uuid,
}

impl Leases {
    /// No leases yet.
    pub fn new(owner: Uuid, duration: Duration) -> Leases {
        Leases { owner, duration, buckets: Buckets::new() }
    }
}

impl Log {
    /// Takes every bucket that nobody holds any more, and renews what is held; in one statement each. On
    /// SQLite the lock of the data directory is the lease: the first claim takes everything for good.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn claim(&self, leases: &mut Leases) -> Result<(), db::Error> {
        let (owner, micros) = (leases.owner, i64::try_from(leases.duration.as_micros()).unwrap_or(i64::MAX));
        if self.db.backend() == DbBackend::Sqlite && !leases.buckets.is_empty() {
            return Ok(());
        }
        let held = self.db.transact(move |tx| async move { claim(tx, owner, micros).await }.boxed()).await?;
        leases.buckets = held.into_iter().map(|row| (row.bucket, bucket(&row))).collect();
        Ok(())
    }

    /// Gives the leases back, so that another process need not wait for their end.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn release(&self, leases: &mut Leases) -> Result<(), db::Error> {
        let owner = leases.owner;
        leases.buckets.clear();
        let release = async move |tx: &db::Tx| -> Result<(), db::Error> {
            let sql = "UPDATE event_bucket SET lease_until = 0 WHERE owner = $1";
            let backend = tx.get_database_backend();
            tx.execute_raw(Statement::from_sql_and_values(backend, sql, [owner.into()])).await?;
            Ok(())
        };
        self.db.transact(move |tx| async move { release(tx).await }.boxed()).await
    }
}

async fn claim(tx: &db::Tx, owner: Uuid, micros: i64) -> Result<Vec<Row>, db::Error> {
    let backend = tx.get_database_backend();
    let now = machine_now(backend);
    let (free, until) = match backend {
        DbBackend::Sqlite => ("true".to_owned(), i64::MAX.to_string()),
        _ => (format!("lease_until < {now}"), format!("{now} + {micros}")),
    };
    let renew =
        format!("UPDATE event_bucket SET lease_until = {until} WHERE owner = $1 AND lease_until >= {now}");
    let take = format!(
        "UPDATE event_bucket SET owner = $1, token = token + 1, lease_until = {until} \
         WHERE owner <> $1 AND {free}"
    );
    // One that this process let pass may have been another's meanwhile: it is taken anew, with a new token.
    let lapsed = format!(
        "UPDATE event_bucket SET token = token + 1, lease_until = {until} \
         WHERE owner = $1 AND lease_until < {now}"
    );
    for sql in [&renew, &take, &lapsed] {
        tx.execute_raw(Statement::from_sql_and_values(backend, sql, [owner.into()])).await?;
    }
    let held = "SELECT bucket, token, first_position, last_position, last_event_id FROM event_bucket \
                WHERE owner = $1 ORDER BY bucket";
    let statement = Statement::from_sql_and_values(backend, held, [owner.into()]);
    Ok(Row::find_by_statement(statement).all(tx).await?)
}

fn bucket(row: &Row) -> Bucket {
    Bucket {
        token: row.token,
        first_position: row.first_position,
        last: Place { position: row.last_position, event_id: row.last_event_id },
    }
}
