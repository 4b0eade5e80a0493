//! Positions: the next events of each bucket, in `(order_key, event_id)` order, move from the appended ones
//! into the log.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

use db::execute_in;
use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value};
use futures::FutureExt;
use uuid::Uuid;

use super::{Leases, Log, machine_now};
use crate::Place;

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// So many events have positions now; 0 if none waited.
    Events(usize),
    /// A lease had passed to somebody else: nothing was changed, and nothing may be until leases are claimed
    /// again.
    LeaseLost,
}

/// An appended event: all that its position depends on.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Appended {
    bucket: i32,
    tenant_id: String,
    aggregate_id: Uuid,
    aggregate_seq: i64,
    order_key: i64,
    event_id: Uuid,
}

impl Log {
    /// Gives positions to waiting events of the held buckets, as one transaction that makes sure of the
    /// leases before it writes anything else.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn assign(&self, leases: &mut Leases) -> Result<Assigned, db::Error> {
        let known = Arc::new(leases.clone());
        let written = self.db.transact(move |tx| {
            let leases = known.clone();
            async move {
                let plan = Plan::of(&leases, waiting(tx, &leases).await?);
                plan.write(tx).await?;
                Ok(plan)
            }
            .boxed()
        });
        assigned(leases, written.await)
    }

    /// Events that get positions in one transaction at most: what is more waits for the next one.
    pub fn events_max(&self) -> usize {
        usize::try_from(events_max(self.db.backend())).unwrap_or(usize::MAX)
    }

    /// The first appended events of the held buckets, in their order.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn waiting(&self, leases: &Leases) -> Result<Vec<Appended>, db::Error> {
        waiting(self.db.reader(), leases).await
    }

    /// Gives these events the next positions of their buckets.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn assign_to(
        &self,
        leases: &mut Leases,
        waiting: Vec<Appended>,
    ) -> Result<Assigned, db::Error> {
        let plan = Arc::new(Plan::of(leases, waiting));
        let written = self.db.transact(move |tx| {
            let plan = plan.clone();
            async move { plan.write(tx).await.map(|()| plan) }.boxed()
        });
        assigned(leases, written.await)
    }
}

/// Takes note of what a transaction did.
fn assigned(
    leases: &mut Leases,
    written: Result<impl Borrow<Plan>, db::Error>,
) -> Result<Assigned, db::Error> {
    match written {
        Ok(plan) => {
            let plan: &Plan = plan.borrow();
            for (bucket, last) in &plan.ends {
                if let Some(held) = leases.buckets.get_mut(bucket) {
                    held.last = *last;
                }
            }
            Ok(Assigned::Events(plan.moves.len()))
        }
        // Whatever happened, what this process knew of its buckets may be wrong now.
        Err(error) => {
            leases.buckets.clear();
            if matches!(error, db::Error::Aborted) { Ok(Assigned::LeaseLost) } else { Err(error) }
        }
    }
}

/// The first appended events of the held buckets, in their order. What waits is few rows, which are sorted
/// faster than an index on their order is kept.
async fn waiting(db: &impl ConnectionTrait, leases: &Leases) -> Result<Vec<Appended>, db::Error> {
    let sql = "SELECT bucket, tenant_id, aggregate_id, aggregate_seq, order_key, event_id FROM event \
               ORDER BY order_key, event_id LIMIT $1";
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        sql,
        [events_max(db.get_database_backend()).into()],
    );
    let mut waiting = Appended::find_by_statement(statement).all(db).await?;
    waiting.retain(|event| leases.buckets.contains_key(&event.bucket));
    Ok(waiting)
}

/// Events that get positions in one transaction. On SQLite callers wait meanwhile, so that one is short.
fn events_max(backend: DbBackend) -> i64 {
    match backend {
        DbBackend::Postgres => 8_192,
        _ => 500,
    }
}

/// Everything that one transaction writes.
struct Plan {
    /// New last place of each bucket.
    ends: BTreeMap<i32, Place>,
    /// Keys of `UPDATE event_bucket`: bucket, owner, token, last position before, and its new last place.
    fences: Vec<Vec<Value>>,
    /// Keys of the events with their positions.
    moves: Vec<Vec<Value>>,
}

impl Plan {
    fn of(leases: &Leases, waiting: Vec<Appended>) -> Plan {
        let mut ends: BTreeMap<i32, Place> = BTreeMap::new();
        let mut moves = Vec::with_capacity(waiting.len());
        for event in waiting {
            let Some(held) = leases.buckets.get(&event.bucket) else { continue };
            let end = ends.entry(event.bucket).or_insert(held.last);
            *end = Place { position: end.position + 1, event_id: event.event_id };
            let position = end.position;
            moves.push(vec![
                event.bucket.into(),
                event.tenant_id.into(),
                event.aggregate_id.into(),
                event.aggregate_seq.into(),
                position.into(),
            ]);
        }
        let fence = |(bucket, end): (&i32, &Place)| {
            let held = leases.buckets.get(bucket)?;
            let (token, before) = (held.token, held.last.position);
            Some(vec![
                (*bucket).into(),
                leases.owner.into(),
                token.into(),
                before.into(),
                end.position.into(),
                end.event_id.into(),
            ])
        };
        let fences = ends.iter().filter_map(fence).collect();
        Plan { ends, fences, moves }
    }

    async fn write(&self, tx: &db::Tx) -> Result<(), db::Error> {
        const FENCE: [ArrayType; 6] = [
            ArrayType::Int,
            ArrayType::Uuid,
            ArrayType::BigInt,
            ArrayType::BigInt,
            ArrayType::BigInt,
            ArrayType::Uuid,
        ];
        let now = machine_now(tx.get_database_backend());
        let fenced = execute_in(tx, &FENCE, &self.fences, |k| {
            format!(
                "UPDATE event_bucket SET last_position = k.c4, last_event_id = k.c5 FROM {k} \
                 WHERE event_bucket.bucket = k.c0 AND owner = k.c1 AND token = k.c2 \
                 AND last_position = k.c3 AND lease_until > {now}"
            )
        });
        if fenced.await? != self.fences.len() as u64 {
            return Err(db::Error::Aborted);
        }
        if self.moved(tx).await? != self.moves.len() as u64 {
            return Err(db::Error::Damaged(format!("{} appended events are not there", self.moves.len())));
        }
        Ok(())
    }

    /// Moves the events and says how many there were.
    async fn moved(&self, tx: &db::Tx) -> Result<u64, db::Error> {
        const KEY: [ArrayType; 5] =
            [ArrayType::Int, ArrayType::String, ArrayType::Uuid, ArrayType::BigInt, ArrayType::BigInt];
        const INSERT: &str = "INSERT INTO event_log (bucket, position, event_id, tenant_id, aggregate_id, \
                              aggregate_seq, kind, order_key, traceparent, payload)";
        const COLUMNS: &str = "e.event_id, e.tenant_id, e.aggregate_id, e.aggregate_seq, e.kind, \
                               e.order_key, e.traceparent, e.payload";
        const KEYED: &str = "e.bucket = k.c0 AND e.tenant_id = k.c1 AND e.aggregate_id = k.c2 \
                             AND e.aggregate_seq = k.c3";
        if tx.get_database_backend() == DbBackend::Postgres {
            // This table is emptied all the time: by statistics from such a moment, comparing all events with
            // all keys looks cheap.
            db::plan(tx, db::Plan::ByHash).await?;
            // One look at each row instead of two.
            return execute_in(tx, &KEY, &self.moves, |k| {
                format!(
                    "WITH moved AS (DELETE FROM event e USING {k} WHERE {KEYED} \
                     RETURNING e.bucket, k.c4 AS position, {COLUMNS}) {INSERT} SELECT * FROM moved"
                )
            })
            .await;
        }
        let copied = execute_in(tx, &KEY, &self.moves, |k| {
            format!("{INSERT} SELECT k.c0, k.c4, {COLUMNS} FROM {k} CROSS JOIN event e WHERE {KEYED}")
        });
        let copied = copied.await?;
        let removed = execute_in(tx, &KEY, &self.moves, |k| {
            format!(
                "DELETE FROM event WHERE (bucket, tenant_id, aggregate_id, aggregate_seq) \
                 IN (SELECT c0, c1, c2, c3 FROM {k})"
            )
        });
        Ok(copied.min(removed.await?))
    }
}
