//! What an operator does about parked events, always within one tenant.

use std::sync::{Arc, Mutex, PoisonError};

use db::Tx;
use db::sea_orm::sea_query::ExprTrait as _;
use db::sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use futures::FutureExt;
use uuid::Uuid;

use super::apply::{Trouble, handle};
use super::{Subscriber, cursors};
use crate::entity::parked::{Column, Entity, Model};
use crate::{Place, Received};

pub use crate::entity::parked::Model as Letter;

/// Events of one transaction of a retry.
const EVENTS_MAX: u64 = 64;

/// What a retry came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retried {
    /// Events applied.
    pub applied: usize,
    /// Events of the aggregate that are still parked.
    pub remaining: u64,
    /// Why the first of them failed; empty if none is left.
    pub reason: String,
}

/// The queue of one aggregate.
#[derive(Clone, Debug)]
struct Queue {
    tenant_id: String,
    source: String,
    aggregate_id: Uuid,
}

impl Subscriber {
    /// One page of a tenant's parked events after a place, in the order of their logs.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn letters(
        &self,
        tenant_id: &str,
        after: Option<(String, Uuid, i32, i64)>,
        limit: u64,
    ) -> Result<Vec<Letter>, db::Error> {
        let mut select = Entity::find().filter(Column::TenantId.eq(tenant_id));
        if let Some((source, log_id, bucket, position)) = after {
            let later = Column::Source
                .gt(source.clone())
                .or(Column::Source.eq(source.clone()).and(Column::LogId.gt(log_id)))
                .or(Column::Source
                    .eq(source.clone())
                    .and(Column::LogId.eq(log_id))
                    .and(Column::Bucket.gt(bucket)))
                .or(Column::Source
                    .eq(source)
                    .and(Column::LogId.eq(log_id))
                    .and(Column::Bucket.eq(bucket))
                    .and(Column::Position.gt(position)));
            select = select.filter(later);
        }
        let ordered = select
            .order_by_asc(Column::Source)
            .order_by_asc(Column::LogId)
            .order_by_asc(Column::Bucket)
            .order_by_asc(Column::Position);
        Ok(ordered.limit(limit).all(self.db.reader()).await?)
    }

    /// Applies the parked events of one aggregate in their order, until one fails; `None` if there are none.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn retry(
        &self,
        tenant_id: &str,
        source: &str,
        aggregate_id: Uuid,
    ) -> Result<Option<Retried>, db::Error> {
        let queue = Queue { tenant_id: tenant_id.to_owned(), source: source.to_owned(), aggregate_id };
        if queue.count(self.db.reader()).await? == 0 {
            return Ok(None);
        }
        let mut retried = Retried::default();
        let mut size = EVENTS_MAX;
        loop {
            match self.drain(&queue, size).await {
                Ok(0) => break,
                Ok(count) => retried.applied += count,
                // The culprit is among them: one by one.
                Err(Trouble::Refused(..)) if size > 1 => size = 1,
                Err(Trouble::Refused(reason, _)) => {
                    self.note(&queue, &reason).await?;
                    retried.reason = reason;
                    break;
                }
                Err(Trouble::Database(error)) => return Err(error),
            }
        }
        (self.handler.applied)();
        self.count_parked().await?;
        retried.remaining = queue.count(self.db.reader()).await?;
        Ok(Some(retried))
    }

    /// Applies up to `size` events from the head of a queue in one transaction, under the cursor's lock.
    async fn drain(&self, queue: &Queue, size: u64) -> Result<usize, Trouble> {
        let refused = Arc::new(Mutex::new(None));
        let (told, queue, handler) = (refused.clone(), queue.clone(), self.handler.clone());
        let drained = self.db.transact(move |tx| {
            let (told, queue, handler) = (told.clone(), queue.clone(), handler.clone());
            async move {
                let rows = queue.head(tx, size).await?;
                let events: Vec<Received> = rows.iter().map(received).collect();
                if events.is_empty() {
                    return Ok(0);
                }
                match handle(&handler, tx, &events).await {
                    Ok(()) => {}
                    Err(Trouble::Database(error)) => return Err(error),
                    Err(Trouble::Refused(reason, _)) => {
                        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
                        return Err(db::Error::Aborted);
                    }
                }
                remove(tx, &rows).await?;
                Ok(events.len())
            }
            .boxed()
        });
        drained.await.map_err(|error| {
            let refused = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
            refused.map_or(Trouble::Database(error), |reason| Trouble::Refused(reason, None))
        })
    }

    /// Writes down why the head of a queue failed again.
    async fn note(&self, queue: &Queue, reason: &str) -> Result<(), db::Error> {
        let (queue, reason) = (queue.clone(), reason.to_owned());
        let noted = self.db.transact(move |tx| {
            let (queue, reason) = (queue.clone(), reason.clone());
            async move {
                let heads = queue.head(tx, 1).await?;
                let noted: Vec<Model> = heads
                    .into_iter()
                    .map(|row| Model { tries: row.tries.saturating_add(1), reason: reason.clone(), ..row })
                    .collect();
                db::bulk_update::<Entity>(tx, &noted, &[Column::Reason, Column::Tries]).await
            }
            .boxed()
        });
        noted.await
    }

    /// Drops a parked event that is the head of its queue, and says how many are left behind it; `None` if it
    /// is not.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn discard(&self, tenant_id: &str, event_id: Uuid) -> Result<Option<u64>, db::Error> {
        let tenant_id = tenant_id.to_owned();
        let dropped = self.db.transact(move |tx| {
            let tenant_id = tenant_id.clone();
            async move {
                let found = Entity::find()
                    .filter(Column::TenantId.eq(&tenant_id))
                    .filter(Column::EventId.eq(event_id))
                    .one(tx)
                    .await?;
                let Some(row) = found else { return Ok(None) };
                let queue = Queue { tenant_id, source: row.source, aggregate_id: row.aggregate_id };
                let head = queue.head(tx, 1).await?;
                if head.first().is_none_or(|head| head.event_id != event_id) {
                    return Ok(None);
                }
                remove(tx, &head).await?;
                Ok(Some(queue.count(tx).await?))
            }
            .boxed()
        });
        let dropped = dropped.await?;
        self.count_parked().await?;
        Ok(dropped)
    }

    /// Lets this subscriber read the log that a source offered last, from its beginning or its end. Returns
    /// its id; `None` if the source never offered one.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn replay(&self, source: &str, from: Place) -> Result<Option<Uuid>, db::Error> {
        let source = source.to_owned();
        let reset = self.db.transact(move |tx| {
            let source = source.clone();
            async move {
                let Some(log_id) = cursors::offered(tx, &source).await? else { return Ok(None) };
                cursors::reset(tx, &source, log_id, from).await?;
                Ok(Some(log_id))
            }
            .boxed()
        });
        reset.await
    }
}

impl Queue {
    /// The first events, in order, with the cursor of their bucket locked: no delivery joins meanwhile.
    async fn head(&self, tx: &Tx, size: u64) -> Result<Vec<Model>, db::Error> {
        let Some(first) = self.rows(tx, 1).await?.pop() else { return Ok(Vec::new()) };
        cursors::lock(tx, &first.source, first.log_id, &[first.bucket]).await?;
        let rows = self.rows(tx, size).await?;
        // An aggregate may wait in two logs of one source: one after the other.
        let same = |row: &Model| (row.log_id, row.bucket) == (first.log_id, first.bucket);
        Ok(rows.into_iter().take_while(same).collect())
    }

    async fn rows(&self, db: &impl ConnectionTrait, size: u64) -> Result<Vec<Model>, db::Error> {
        let rows = Entity::find()
            .filter(Column::TenantId.eq(&self.tenant_id))
            .filter(Column::Source.eq(&self.source))
            .filter(Column::AggregateId.eq(self.aggregate_id))
            .order_by_asc(Column::LogId)
            .order_by_asc(Column::Position)
            .limit(size);
        Ok(rows.all(db).await?)
    }

    async fn count(&self, db: &impl ConnectionTrait) -> Result<u64, db::Error> {
        use db::sea_orm::PaginatorTrait;
        let rows = Entity::find()
            .filter(Column::TenantId.eq(&self.tenant_id))
            .filter(Column::Source.eq(&self.source))
            .filter(Column::AggregateId.eq(self.aggregate_id));
        Ok(rows.count(db).await?)
    }
}

async fn remove(tx: &Tx, rows: &[Model]) -> Result<(), db::Error> {
    let sql = "DELETE FROM event_parked WHERE tenant_id = $1 AND source = $2 AND log_id = $3 \
               AND bucket = $4 AND position = $5";
    for row in rows {
        let values = [
            row.tenant_id.as_str().into(),
            row.source.as_str().into(),
            row.log_id.into(),
            row.bucket.into(),
            row.position.into(),
        ];
        tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await?;
    }
    Ok(())
}

fn received(row: &Model) -> Received {
    Received {
        source: row.source.clone(),
        event_id: row.event_id,
        tenant_id: row.tenant_id.clone(),
        aggregate_id: row.aggregate_id,
        aggregate_seq: row.aggregate_seq,
        kind: row.kind.clone(),
        order_key: row.order_key,
        traceparent: row.traceparent.clone(),
        payload: row.payload.clone(),
    }
}
