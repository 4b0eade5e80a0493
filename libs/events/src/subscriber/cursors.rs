//! Cursor rows: locked in bucket order before anything is decided about them.

use std::collections::BTreeMap;

use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use db::{Keyed, Pick, Tx};
use uuid::Uuid;

use crate::Place;
use crate::entity::cursor::{Column, Entity, Model};

const ON_EXISTING: &str = "ON CONFLICT (source, log_id, bucket) DO NOTHING";

#[derive(FromQueryResult)]
struct One {
    one: i32,
}

#[derive(FromQueryResult)]
struct Offered {
    log_id: Uuid,
}

/// Loads and locks the cursors of these buckets. One that is missing begins at the first event, unless the
/// subscriber has read another log of the same source: then it stays missing.
pub(super) async fn lock(
    tx: &Tx,
    source: &str,
    log_id: Uuid,
    buckets: &[i32],
) -> Result<BTreeMap<i32, Model>, db::Error> {
    let mut found = load(tx, source, log_id, buckets).await?;
    if found.len() == buckets.len() {
        return Ok(found);
    }
    offer(tx, source, log_id).await?;
    if !knows_another(tx, source, log_id).await? {
        let missing = buckets.iter().filter(|bucket| !found.contains_key(bucket));
        let new: Vec<Model> = missing.map(|bucket| at(source, log_id, *bucket, Place::ZERO)).collect();
        db::bulk_upsert::<Entity>(tx, &new, ON_EXISTING).await?;
        found = load(tx, source, log_id, buckets).await?;
    }
    Ok(found)
}

async fn load(
    tx: &Tx,
    source: &str,
    log_id: Uuid,
    buckets: &[i32],
) -> Result<BTreeMap<i32, Model>, db::Error> {
    let select = Keyed {
        table: "event_cursor",
        on: &["source", "log_id", "bucket"],
        types: &[ArrayType::String, ArrayType::Uuid, ArrayType::Int],
        filter: "",
        order: "t.bucket",
        pick: Pick::Locked,
        more: "",
    };
    let keys: Vec<_> =
        buckets.iter().map(|bucket| vec![source.into(), log_id.into(), (*bucket).into()]).collect();
    let rows: Vec<Model> = db::select_in(tx, select, &keys).await?;
    Ok(rows.into_iter().map(|row| (row.bucket, row)).collect())
}

/// Remembers which log the source speaks of now, for an operator who decides to read it.
async fn offer(tx: &Tx, source: &str, log_id: Uuid) -> Result<(), db::Error> {
    let sql = "INSERT INTO event_source (source, log_id) VALUES ($1, $2) \
               ON CONFLICT (source) DO UPDATE SET log_id = excluded.log_id";
    let values = [source.into(), log_id.into()];
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await?;
    Ok(())
}

/// The log that the source spoke of last.
pub(super) async fn offered(tx: &Tx, source: &str) -> Result<Option<Uuid>, db::Error> {
    let sql = "SELECT log_id FROM event_source WHERE source = $1";
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, [source.into()]);
    Ok(Offered::find_by_statement(statement).one(tx).await?.map(|row| row.log_id))
}

async fn knows_another(tx: &Tx, source: &str, log_id: Uuid) -> Result<bool, db::Error> {
    let sql = "SELECT 1 AS one FROM event_cursor WHERE source = $1 AND log_id <> $2 LIMIT 1";
    let values = [source.into(), log_id.into()];
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
    Ok(One::find_by_statement(statement).one(tx).await?.is_some_and(|row| row.one == 1))
}

/// Writes where locked cursors stand now.
pub(super) async fn save(tx: &Tx, cursors: &[Model]) -> Result<(), db::Error> {
    const CHANGING: [Column; 4] = [Column::Position, Column::EventId, Column::FailedPosition, Column::Tries];
    db::bulk_update::<Entity>(tx, cursors, &CHANGING).await
}

/// Moves every cursor of a log to one of the two places that an operator may name, and forgets all other logs
/// of the source.
pub(super) async fn reset(tx: &Tx, source: &str, log_id: Uuid, to: Place) -> Result<(), db::Error> {
    let buckets = 0..i32::try_from(db::BUCKETS).unwrap_or(0);
    let rows: Vec<Model> = buckets.map(|bucket| at(source, log_id, bucket, to)).collect();
    replace(tx, source, &rows).await
}

/// Moves the cursors of a log to these places, one of each bucket, where they are not there yet, and forgets
/// all other logs of the source.
pub(super) async fn advance(
    tx: &Tx,
    source: &str,
    log_id: Uuid,
    places: &BTreeMap<i32, Place>,
) -> Result<(), db::Error> {
    let buckets: Vec<i32> = places.keys().copied().collect();
    let mut known = load(tx, source, log_id, &buckets).await?;
    known.retain(|bucket, cursor| places.get(bucket).is_some_and(|to| to.position <= cursor.position));
    let stand = |(bucket, place): (&i32, &Place)| {
        known.remove(bucket).unwrap_or_else(|| at(source, log_id, *bucket, *place))
    };
    let rows: Vec<Model> = places.iter().map(stand).collect();
    replace(tx, source, &rows).await?;
    offer(tx, source, log_id).await
}

/// Forgets all cursors of a source but these.
async fn replace(tx: &Tx, source: &str, cursors: &[Model]) -> Result<(), db::Error> {
    let sql = "DELETE FROM event_cursor WHERE source = $1";
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, [source.into()]);
    tx.execute_raw(statement).await?;
    db::bulk_insert::<Entity>(tx, cursors).await
}

fn at(source: &str, log_id: Uuid, bucket: i32, place: Place) -> Model {
    Model {
        source: source.to_owned(),
        log_id,
        bucket,
        position: place.position,
        event_id: place.event_id,
        failed_position: 0,
        tries: 0,
    }
}

impl Model {
    /// Where it stands.
    pub(super) fn place(&self) -> Place {
        Place { position: self.position, event_id: self.event_id }
    }

    /// Stands elsewhere; what failed there is forgotten.
    pub(super) fn move_to(&mut self, place: Place) {
        (self.position, self.event_id) = (place.position, place.event_id);
        (self.failed_position, self.tries) = (0, 0);
    }
}
