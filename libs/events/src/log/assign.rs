//! Positions: the next events of each bucket, in `(order_key, event_id)` order, move from the appended ones
//! into the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Value};
use db::{Keyed, execute_in, select_in};
use futures::FutureExt;
use uuid::Uuid;

use super::{Leases, Log, machine_now};
use crate::Place;

/// Events that get positions in one transaction. On SQLite callers wait meanwhile, so that one is short.
const EVENTS_MAX_POSTGRES: usize = 4_096;
const EVENTS_MAX_SQLITE: usize = 500;

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
    pub(crate) bucket: i32,
    pub(crate) order_key: i64,
    pub(crate) event_id: Uuid,
}

impl Log {
    /// Gives positions to waiting events of the held buckets, as one transaction that first makes sure of the
    /// leases.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn assign(&self, leases: &mut Leases) -> Result<Assigned, db::Error> {
        let waiting = self.waiting(leases).await?;
        self.assign_to(leases, waiting).await
    }

    /// The first appended events of the held buckets, fairly among them, in their order.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn waiting(&self, leases: &Leases) -> Result<Vec<Appended>, db::Error> {
        let events_max = match self.db.backend() {
            DbBackend::Postgres => EVENTS_MAX_POSTGRES,
            _ => EVENTS_MAX_SQLITE,
        };
        let keys: Vec<Vec<Value>> = leases.buckets.keys().map(|bucket| vec![(*bucket).into()]).collect();
        let mut each = events_max / keys.len().max(1);
        loop {
            let waiting = self.first_of_each(&keys, each).await?;
            // One busy bucket among idle ones gets the room that these leave.
            let more = waiting.len() < events_max / 2 && waiting.len() >= each && each < events_max;
            if !more {
                return Ok(waiting.into_iter().take(events_max).collect());
            }
            each = (each * 8).min(events_max);
        }
    }

    async fn first_of_each(&self, keys: &[Vec<Value>], each: usize) -> Result<Vec<Appended>, db::Error> {
        let select = Keyed {
            table: "event",
            on: &["bucket"],
            types: &[ArrayType::Int],
            filter: "",
            order: "t.order_key, t.event_id",
            first: Some(u32::try_from(each.max(1)).unwrap_or(u32::MAX)),
            lock: false,
        };
        let mut waiting: Vec<Appended> = select_in(self.db.reader(), select, keys).await?;
        waiting.sort_unstable_by_key(|event| (event.order_key, event.event_id));
        Ok(waiting)
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
        if waiting.is_empty() {
            return Ok(Assigned::Events(0));
        }
        let plan = Arc::new(Plan::of(leases, waiting));
        let count = plan.moves.len();
        let work = plan.clone();
        let written = self.db.transact(move |tx| {
            let plan = work.clone();
            async move { plan.write(tx).await }.boxed()
        });
        if let Err(error) = written.await {
            // Whatever happened, what this process knew of its buckets may be wrong now.
            leases.buckets.clear();
            return match error {
                db::Error::Aborted => Ok(Assigned::LeaseLost),
                error => Err(error),
            };
        }
        for (bucket, last) in &plan.ends {
            if let Some(held) = leases.buckets.get_mut(bucket) {
                held.last = *last;
            }
        }
        Ok(Assigned::Events(count))
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
                event.order_key.into(),
                event.event_id.into(),
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
        const MOVE: [ArrayType; 4] = [ArrayType::Int, ArrayType::BigInt, ArrayType::Uuid, ArrayType::BigInt];
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
        let moved = execute_in(tx, &MOVE, &self.moves, |k| {
            format!(
                "INSERT INTO event_log (bucket, position, event_id, tenant_id, aggregate_id, aggregate_seq, \
                 kind, order_key, traceparent, payload) \
                 SELECT k.c0, k.c3, e.event_id, e.tenant_id, e.aggregate_id, e.aggregate_seq, \
                 e.kind, e.order_key, e.traceparent, e.payload FROM {k} CROSS JOIN event e \
                 WHERE e.bucket = k.c0 AND e.order_key = k.c1 AND e.event_id = k.c2"
            )
        });
        let moved = moved.await?;
        let removed = execute_in(tx, &MOVE, &self.moves, |k| {
            format!("DELETE FROM event WHERE (bucket, order_key, event_id) IN (SELECT c0, c1, c2 FROM {k})")
        });
        let removed = removed.await?;
        let wanted = self.moves.len() as u64;
        if moved != wanted || removed != wanted {
            let told = format!("{wanted} appended events: {moved} copied, {removed} removed");
            return Err(db::Error::Damaged(told));
        }
        Ok(())
    }
}
