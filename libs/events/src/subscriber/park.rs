//! Poison: an event that fails again and again is kept apart, and with it the later ones of its aggregate.
//! Everyone else goes on.

use std::collections::BTreeSet;

use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{FromQueryResult, Statement};
use db::{Keyed, Pick, Tx};
use futures::FutureExt;
use std::sync::atomic::Ordering;
use uuid::Uuid;

use super::apply::Failure;
use super::continuity::{Piece, Verdict, judge};
use super::{Subscriber, cursors};
use crate::entity::parked::{Entity, Model};
use crate::{Place, Received, machine_now_micros};

/// An event is tried so often before it is parked.
pub(super) const TRIES_MAX: i32 = 3;

#[derive(FromQueryResult)]
struct Queue {
    aggregate_id: Uuid,
}

#[derive(FromQueryResult)]
struct Count {
    count: i64,
}

/// Why an event is parked, and how often it was tried.
pub(super) type Reason = (String, i32);

impl Subscriber {
    /// A piece with at most one event could not be applied. Counts the try, and parks the event after the
    /// last one: then the new cursor is returned.
    pub(super) async fn failed(
        &self,
        source: &str,
        log_id: Uuid,
        piece: Piece,
        failure: Failure,
    ) -> Result<Option<Place>, db::Error> {
        let (bucket, position) = (piece.bucket, piece.events.first().map(|(position, _)| *position));
        let reason = match failure {
            Failure::Refused { reason, .. } => reason,
            Failure::Database(error) => {
                tracing::error!(%error, source, bucket, position, "the database refuses an event's effects");
                return Ok(None);
            }
        };
        let key = (source.to_owned(), log_id);
        let told = reason.clone();
        let parked = self.db.transact(move |tx| {
            let (key, piece, reason) = (key.clone(), piece.clone(), reason.clone());
            async move { count_try(tx, &key, &piece, reason).await }.boxed()
        });
        let parked = parked.await?;
        if parked.is_some() {
            self.parked.fetch_add(1, Ordering::Relaxed);
            let subscriber = self.name();
            tracing::error!(
                subscriber,
                source,
                bucket,
                position,
                reason = told,
                "an event is parked: see rapport events list"
            );
        }
        Ok(parked)
    }

    /// Leaves out the events whose aggregate has parked ones, and puts them behind these.
    pub(super) async fn join_parked(
        &self,
        tx: &Tx,
        (source, log_id): (&str, Uuid),
        events: Vec<(i32, i64, Received)>,
    ) -> Result<Vec<(i32, i64, Received)>, db::Error> {
        let queues = queues(tx, source, log_id, &events).await?;
        let (behind, free): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|(_, _, event)| queues.contains(&event.aggregate_id));
        let rows: Vec<Model> = behind
            .into_iter()
            .map(|(bucket, position, event)| row(log_id, (bucket, position), event, (String::new(), 0)))
            .collect();
        db::bulk_insert::<Entity>(tx, &rows).await?;
        Ok(free)
    }

    /// Counts what is parked, for the metric.
    pub(super) async fn count_parked(&self) -> Result<(), db::Error> {
        let db = self.db.reader();
        let sql = "SELECT COUNT(*) AS count FROM event_parked";
        let statement = Statement::from_string(db.get_database_backend(), sql);
        let count = Count::find_by_statement(statement).one(db).await?.map_or(0, |row| row.count);
        self.parked.store(count, Ordering::Relaxed);
        Ok(())
    }
}

async fn count_try(
    tx: &Tx,
    (source, log_id): &(String, Uuid),
    piece: &Piece,
    reason: String,
) -> Result<Option<Place>, db::Error> {
    let Some((position, event)) = piece.events.first() else { return Ok(None) };
    let mut locked = cursors::lock(tx, source, *log_id, &[piece.bucket]).await?;
    let Some(mut cursor) = locked.remove(&piece.bucket) else { return Ok(None) };
    if judge(cursor.place(), piece) != Verdict::Apply {
        return Ok(None);
    }
    let tries = if cursor.failed_position == *position { cursor.tries.saturating_add(1) } else { 1 };
    if tries < TRIES_MAX {
        (cursor.failed_position, cursor.tries) = (*position, tries);
        cursors::save(tx, &[cursor]).await?;
        return Ok(None);
    }
    let parked = row(*log_id, (piece.bucket, *position), event.clone(), (reason, tries));
    db::bulk_insert::<Entity>(tx, &[parked]).await?;
    cursor.move_to(piece.through);
    cursors::save(tx, std::slice::from_ref(&cursor)).await?;
    Ok(Some(cursor.place()))
}

/// The aggregates of these events that have parked ones.
async fn queues(
    tx: &Tx,
    source: &str,
    log_id: Uuid,
    events: &[(i32, i64, Received)],
) -> Result<BTreeSet<Uuid>, db::Error> {
    let distinct: BTreeSet<(i32, Uuid)> =
        events.iter().map(|(bucket, _, event)| (*bucket, event.aggregate_id)).collect();
    let keys: Vec<_> = distinct
        .into_iter()
        .map(|(bucket, aggregate)| vec![source.into(), log_id.into(), bucket.into(), aggregate.into()])
        .collect();
    let select = Keyed {
        table: "event_parked",
        on: &["source", "log_id", "bucket", "aggregate_id"],
        types: &[ArrayType::String, ArrayType::Uuid, ArrayType::Int, ArrayType::Uuid],
        filter: "",
        order: "t.position",
        pick: Pick::First(1),
        more: "",
    };
    let found: Vec<Queue> = db::select_in(tx, select, &keys).await?;
    Ok(found.into_iter().map(|queue| queue.aggregate_id).collect())
}

fn row(log_id: Uuid, (bucket, position): (i32, i64), event: Received, (reason, tries): Reason) -> Model {
    Model {
        tenant_id: event.tenant_id,
        source: event.source,
        log_id,
        bucket,
        position,
        event_id: event.event_id,
        aggregate_id: event.aggregate_id,
        aggregate_seq: event.aggregate_seq,
        kind: event.kind,
        order_key: event.order_key,
        traceparent: event.traceparent,
        payload: event.payload,
        reason,
        tries,
        park_time: machine_now_micros(),
    }
}
