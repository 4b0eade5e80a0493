//! The log of one service: appended events get positions, gap-free within each bucket and never reused, from
//! whoever holds the bucket's lease.

mod assign;
mod lease;
mod read;
mod retain;

use std::collections::BTreeMap;

use ambient::Ids;
use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};
use db::{Db, execute_in};
use futures::FutureExt;
use uuid::Uuid;

use crate::Place;

pub use assign::{Appended, Assigned};
pub use lease::Leases;
pub use read::{Entry, Portion, Portions, Position};
pub use retain::{RETENTION, RETENTION_MAX, Retained};

/// What this process knows of a bucket whose lease it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Fences the lease.
    pub token: i64,
    /// The first position that the log still holds.
    pub first_position: i64,
    /// The last position given.
    pub last: Place,
}

/// Buckets by number.
pub type Buckets = BTreeMap<i32, Bucket>;

/// The event log of one service. Clones share it.
#[derive(Clone, Debug)]
pub struct Log {
    pub(crate) db: Db,
    source: &'static str,
    log_id: Uuid,
}

#[derive(FromQueryResult)]
struct Meta {
    value: String,
}

#[derive(FromQueryResult)]
struct End {
    bucket: i32,
    last_position: i64,
    last_event_id: Uuid,
}

#[derive(FromQueryResult)]
struct Count {
    count: i64,
}

impl Log {
    /// Opens the log of `source` in its database, which gets its `log_id` and its buckets when it is first
    /// opened.
    ///
    /// # Errors
    /// `db::Error::Settings` if the database was made with another number of buckets.
    pub async fn open(db: &Db, ids: &Ids, source: &'static str) -> Result<Log, db::Error> {
        let drawn = ids.v4();
        let (log_id, buckets) = db.transact(move |tx| async move { create(tx, drawn).await }.boxed()).await?;
        if buckets != db::BUCKETS.to_string() {
            let told = format!(
                "the event log of {source} has {buckets} buckets and this version has {}; the number never \
                 changes: use the version that made the database",
                db::BUCKETS
            );
            return Err(db::Error::Settings(told));
        }
        let damaged = |_| db::Error::Damaged(format!("log id `{log_id}`"));
        let log_id = Uuid::try_parse(&log_id).map_err(damaged)?;
        Ok(Log { db: db.clone(), source, log_id })
    }

    /// The service whose log it is.
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// Made with the database, and anew when that is restored.
    pub fn id(&self) -> Uuid {
        self.log_id
    }

    /// The last place that each bucket has given.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn ends(&self) -> Result<BTreeMap<i32, Place>, db::Error> {
        let db = self.db.reader();
        let sql = "SELECT bucket, last_position, last_event_id FROM event_bucket";
        let rows = End::find_by_statement(Statement::from_string(db.get_database_backend(), sql)).all(db);
        let place = |end: End| Place { position: end.last_position, event_id: end.last_event_id };
        Ok(rows.await?.into_iter().map(|end| (end.bucket, place(end))).collect())
    }

    /// True if an event has no position yet.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn has_waiting(&self) -> Result<bool, db::Error> {
        let db = self.db.reader();
        let sql = "SELECT CAST(1 AS BIGINT) AS count FROM event LIMIT 1";
        let found = Count::find_by_statement(Statement::from_string(db.get_database_backend(), sql));
        Ok(found.one(db).await?.is_some_and(|one| one.count > 0))
    }

    /// How many events were ever given a position.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn assigned(&self) -> Result<i64, db::Error> {
        let db = self.db.reader();
        let sql = "SELECT CAST(SUM(last_position) AS BIGINT) AS count FROM event_bucket";
        let counted = Count::find_by_statement(Statement::from_string(db.get_database_backend(), sql));
        Ok(counted.one(db).await?.map_or(0, |count| count.count))
    }

    /// How many events have no position yet.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn pending(&self) -> Result<i64, db::Error> {
        let db = self.db.reader();
        let sql = "SELECT COUNT(*) AS count FROM event";
        let counted = Count::find_by_statement(Statement::from_string(db.get_database_backend(), sql));
        Ok(counted.one(db).await?.map_or(0, |count| count.count))
    }
}

async fn create(tx: &db::Tx, drawn: Uuid) -> Result<(String, String), db::Error> {
    let meta = [("log_id", drawn.to_string()), ("buckets", db::BUCKETS.to_string())];
    let rows: Vec<_> = meta.iter().map(|(name, value)| vec![(*name).into(), value.as_str().into()]).collect();
    execute_in(tx, &[ArrayType::String, ArrayType::String], &rows, |k| {
        // SQLite takes ON CONFLICT for a join condition without a WHERE.
        format!(
            "INSERT INTO event_meta (name, value) SELECT k.c0, k.c1 FROM {k} WHERE true \
             ON CONFLICT (name) DO NOTHING"
        )
    })
    .await?;
    let nil = Uuid::nil();
    let count = i32::try_from(db::BUCKETS).unwrap_or(i32::MAX);
    let rows: Vec<_> = (0..count).map(|bucket| vec![bucket.into(), nil.into()]).collect();
    execute_in(tx, &[ArrayType::Int, ArrayType::Uuid], &rows, |k| {
        format!(
            "INSERT INTO event_bucket \
             (bucket, owner, token, lease_until, first_position, last_position, last_event_id) \
             SELECT k.c0, k.c1, 0, 0, 1, 0, k.c1 FROM {k} WHERE true ON CONFLICT (bucket) DO NOTHING"
        )
    })
    .await?;
    Ok((meta_value(tx, "log_id").await?, meta_value(tx, "buckets").await?))
}

async fn meta_value(tx: &db::Tx, name: &str) -> Result<String, db::Error> {
    let sql = "SELECT value FROM event_meta WHERE name = $1";
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, [name.into()]);
    let found = Meta::find_by_statement(statement).one(tx).await?;
    found.map(|meta| meta.value).ok_or_else(|| db::Error::Damaged(format!("event_meta has no {name}")))
}

/// Machine time of the database in microseconds since 1970, as SQL.
pub(crate) fn machine_now(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
        _ => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    }
}
