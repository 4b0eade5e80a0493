//! Retention: events that every registered subscriber has, and that are old in machine time, are dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use db::{Keyed, Pick};
use futures::FutureExt;

use super::{Leases, Log, machine_now};
use crate::entity::acknowledgement;

/// How long events are kept at least.
pub const RETENTION: Duration = Duration::from_secs(30 * 86_400);
/// How long they wait at most for a subscriber that does not come.
pub const RETENTION_MAX: Duration = Duration::from_secs(90 * 86_400);
/// Events of one bucket that are dropped in one transaction.
const EVENTS_MAX: u32 = 500;

/// What retention did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Events dropped.
    pub dropped: u64,
    /// Of these, events that a registered subscriber never acknowledged.
    pub lost: u64,
}

#[derive(FromQueryResult)]
struct Row {
    bucket: i32,
    position: i64,
    order_key: i64,
}

#[derive(FromQueryResult)]
struct Least {
    bucket: i32,
    position: i64,
}

impl Log {
    /// Registers a subscriber: from now on events wait for it.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn register(&self, subscriber: &'static str) -> Result<(), db::Error> {
        let places: BTreeMap<i32, i64> =
            (0..i32::try_from(db::BUCKETS).unwrap_or(0)).map(|bucket| (bucket, 0)).collect();
        self.note(subscriber, &places, "DO NOTHING").await
    }

    /// Remembers how far a subscriber said that it is, also if that is less than it was: what it reads again
    /// must still be there.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn acknowledge(
        &self,
        subscriber: &'static str,
        places: &BTreeMap<i32, i64>,
    ) -> Result<(), db::Error> {
        self.note(subscriber, places, "DO UPDATE SET position = excluded.position").await
    }

    async fn note(
        &self,
        subscriber: &'static str,
        places: &BTreeMap<i32, i64>,
        known: &'static str,
    ) -> Result<(), db::Error> {
        let rows: Vec<_> = places
            .iter()
            .map(|(bucket, position)| acknowledgement::Model {
                subscriber: subscriber.to_owned(),
                bucket: *bucket,
                position: *position,
            })
            .collect();
        let on_conflict = format!("ON CONFLICT (subscriber, bucket) {known}");
        self.db
            .transact(move |tx| {
                let (rows, on_conflict) = (rows.clone(), on_conflict.clone());
                async move { db::bulk_upsert::<acknowledgement::Entity>(tx, &rows, &on_conflict).await }
                    .boxed()
            })
            .await
    }

    /// Drops up to 500 events of each held bucket that are older than `keep` and acknowledged by
    /// everybody, or older than `keep_max`. `now_micros` is machine time.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn retain(
        &self,
        leases: &mut Leases,
        now_micros: i64,
        (keep, keep_max): (Duration, Duration),
    ) -> Result<Retained, db::Error> {
        let before =
            |age: Duration| now_micros.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX));
        let (old, too_old) = (before(keep), before(keep_max));
        let least = self.least().await?;
        let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
        let mut done = Retained::default();
        let mut closed = BTreeSet::new();
        let acknowledged = |row: &Row| least.get(&row.bucket).is_none_or(|least| row.position <= *least);
        let goes = |row: &Row| row.order_key < too_old || (row.order_key < old && acknowledged(row));
        // Most often nothing is old, which one event of each bucket shows.
        let heads = self.first_events(leases.buckets.keys().copied(), 1).await?;
        let beginning = heads.iter().filter(|row| goes(row)).map(|row| row.bucket);
        for row in self.first_events(beginning, EVENTS_MAX).await? {
            if !goes(&row) || closed.contains(&row.bucket) {
                // Only a beginning of the log may go.
                closed.insert(row.bucket);
                continue;
            }
            done.lost += u64::from(!acknowledged(&row));
            ends.insert(row.bucket, row.position);
        }
        done.dropped = self.drop_through(leases, &ends).await?;
        Ok(done)
    }

    /// The position up to which every registered subscriber has acknowledged each bucket.
    async fn least(&self) -> Result<BTreeMap<i32, i64>, db::Error> {
        let sql = "SELECT bucket, MIN(position) AS position FROM event_acknowledgement GROUP BY bucket";
        let db = self.db.reader();
        let statement = Statement::from_string(db.get_database_backend(), sql);
        let rows = Least::find_by_statement(statement).all(db).await?;
        Ok(rows.into_iter().map(|row| (row.bucket, row.position)).collect())
    }

    async fn first_events(
        &self,
        buckets: impl Iterator<Item = i32>,
        each: u32,
    ) -> Result<Vec<Row>, db::Error> {
        let select = Keyed {
            table: "event_log",
            on: &["bucket"],
            types: &[ArrayType::Int],
            filter: "",
            order: "t.position",
            pick: Pick::First(each),
            more: "",
        };
        let keys: Vec<_> = buckets.map(|bucket| vec![bucket.into()]).collect();
        let mut rows: Vec<Row> = db::select_in(self.db.reader(), select, &keys).await?;
        rows.sort_unstable_by_key(|row| (row.bucket, row.position));
        Ok(rows)
    }

    async fn drop_through(&self, leases: &mut Leases, ends: &BTreeMap<i32, i64>) -> Result<u64, db::Error> {
        const TYPES: [ArrayType; 4] = [ArrayType::Int, ArrayType::Uuid, ArrayType::BigInt, ArrayType::BigInt];
        let mut dropped = 0;
        for (bucket, end) in ends {
            let Some(held) = leases.buckets.get(bucket) else { continue };
            let key = vec![(*bucket).into(), leases.owner.into(), held.token.into(), (*end).into()];
            let now = machine_now(self.db.backend());
            let gone = self.db.transact(move |tx| {
                let keys = [key.clone()];
                async move {
                    let fenced = db::execute_in(tx, &TYPES, &keys, |k| {
                        format!(
                            "UPDATE event_bucket SET first_position = k.c3 + 1 FROM {k} \
                             WHERE event_bucket.bucket = k.c0 AND owner = k.c1 AND token = k.c2 \
                             AND lease_until > {now} AND first_position <= k.c3"
                        )
                    });
                    if fenced.await? == 0 {
                        return Ok(0);
                    }
                    delete_through(tx, &keys[0]).await
                }
                .boxed()
            });
            let gone = gone.await?;
            if gone > 0
                && let Some(held) = leases.buckets.get_mut(bucket)
            {
                held.first_position = end + 1;
            }
            dropped += gone;
        }
        Ok(dropped)
    }
}

async fn delete_through(tx: &db::Tx, key: &[db::sea_orm::Value]) -> Result<u64, db::Error> {
    let sql = "DELETE FROM event_log WHERE bucket = $1 AND position <= $2";
    let values = [key[0].clone(), key[3].clone()];
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
    Ok(tx.execute_raw(statement).await?.rows_affected())
}
