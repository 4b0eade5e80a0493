//! Deliveries in the hands of a worker: leased for a while, then handed over for good.
//!
//! A lease is of machine time. Who holds it is the sink that the worker writes to, so a worker that comes
//! back takes up at once what it left, and one whose lease ran out finds it taken. What is handed over has no
//! lease any more: only its own sink can tell what became of it.

use db::sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};
use db::{Owner, Tx};
use uuid::Uuid;

use super::deliveries;
use super::entity::delivery;
use crate::domain::{Channel, Delivery, DeliveryState};

const QUEUED: i32 = DeliveryState::Queued as i32;
const LEASED: i32 = DeliveryState::Leased as i32;
const HANDED_OVER: i32 = DeliveryState::HandedOver as i32;
const FILE: i32 = Channel::File as i32;

/// The condition of the index of open deliveries: spelled out in every statement, so that it is used.
const OPEN: &str = "state < 4";

/// A delivery that a sink works on.
#[derive(Clone, Debug)]
pub struct Sending {
    row: delivery::Model,
    delivery: Delivery,
}

impl Sending {
    fn of_row(row: delivery::Model) -> Result<Sending, db::Error> {
        Ok(Sending { delivery: deliveries::domain(&row)?, row })
    }

    /// Whose message it is.
    pub fn owner(&self) -> Owner {
        Owner::of_row(self.row.bucket, &self.row.tenant_id, self.row.recipient_id)
    }

    /// The message's number.
    pub fn seq(&self) -> i64 {
        self.row.seq
    }

    /// The message's id.
    pub fn notification_id(&self) -> Uuid {
        self.row.notification_id
    }

    /// How long the file was before this delivery was written to it, in bytes.
    pub fn file_offset(&self) -> u64 {
        u64::try_from(self.row.file_offset).unwrap_or(0)
    }

    /// How far it is.
    pub fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// The same, further on.
    #[must_use]
    pub fn at(self, delivery: Delivery) -> Sending {
        let row = delivery::Model { state: delivery.state as i32, attempt: delivery.attempt, ..self.row };
        Sending { row, delivery }
    }
}

/// Leases up to `limit` queued deliveries to a sink, oldest first, and returns how many there were. What the
/// sink itself left behind, and what others let run out, is queued again before.
///
/// # Errors
/// That the database refused.
pub async fn lease(
    tx: &Tx,
    sink_id: Uuid,
    machine_now_micros: i64,
    until_micros: i64,
    limit: u64,
) -> Result<u64, db::Error> {
    let backend = tx.get_database_backend();
    let release = format!(
        "UPDATE delivery SET state = {QUEUED}, attempt = attempt + 1 \
         WHERE {OPEN} AND state = {LEASED} AND (lease_owner = $1 OR lease_until < $2)"
    );
    let values = [sink_id.into(), machine_now_micros.into()];
    tx.execute_raw(Statement::from_sql_and_values(backend, release, values)).await?;
    let key = "bucket, tenant_id, recipient_id, seq, channel";
    // The state is asked twice: of two workers that chose the same rows, the second finds them taken.
    let take = format!(
        "UPDATE delivery SET state = {LEASED}, lease_owner = $1, lease_until = $2 \
         WHERE {OPEN} AND state = {QUEUED} AND ({key}) IN (SELECT {key} FROM delivery \
         WHERE {OPEN} AND state = {QUEUED} AND channel = {FILE} ORDER BY create_time LIMIT {limit})"
    );
    let values = [sink_id.into(), until_micros.into()];
    Ok(tx.execute_raw(Statement::from_sql_and_values(backend, take, values)).await?.rows_affected())
}

/// Hands over what the sink still has on lease, to be written to its file from `file_offset` on.
///
/// # Errors
/// That the database refused.
pub async fn hand_over(tx: &Tx, sink_id: Uuid, file_offset: u64) -> Result<Vec<Sending>, db::Error> {
    let told = |_| db::Error::Damaged("a file is too long for its length to be stored".into());
    let file_offset = i64::try_from(file_offset).map_err(told)?;
    let sql = format!(
        "UPDATE delivery SET state = {HANDED_OVER}, file_offset = $2 \
         WHERE {OPEN} AND state = {LEASED} AND lease_owner = $1 RETURNING *"
    );
    returned(tx, sql, [sink_id.into(), file_offset.into()]).await
}

/// What was handed over to a sink and has not ended.
///
/// # Errors
/// That the database refused.
pub async fn handed_over(db: &impl ConnectionTrait, sink_id: Uuid) -> Result<Vec<Sending>, db::Error> {
    let sql = format!("SELECT * FROM delivery WHERE {OPEN} AND state = {HANDED_OVER} AND lease_owner = $1");
    returned(db, sql, [sink_id.into()]).await
}

/// Writes what became of deliveries. Nobody but their sink changes what was handed over to it.
///
/// # Errors
/// That the database refused.
pub async fn settle(tx: &Tx, sendings: &[Sending]) -> Result<(), db::Error> {
    use delivery::Column as C;
    let rows: Vec<_> = sendings.iter().map(|sending| sending.row.clone()).collect();
    db::bulk_update::<delivery::Entity>(tx, &rows, &[C::State, C::Attempt]).await
}

/// The rows that a statement returns, oldest first and by recipient and number.
async fn returned(
    db: &impl ConnectionTrait,
    sql: String,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<Sending>, db::Error> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let mut rows = delivery::Model::find_by_statement(statement).all(db).await?;
    rows.sort_by(|a, b| {
        let place = |r: &delivery::Model| (r.create_time, r.bucket, r.recipient_id, r.seq);
        place(a).cmp(&place(b))
    });
    rows.into_iter().map(Sending::of_row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statements above write states without asking the domain, so they are held against it here.
    #[test]
    fn the_statements_move_deliveries_as_the_domain_allows() {
        use DeliveryState::{HandedOver, Leased, Queued};
        assert!(Queued.may_become(Leased) && Leased.may_become(HandedOver) && Leased.may_be_tried_again());
        let open = DeliveryState::ALL.map(|state| (state as i32) < 4);
        assert_eq!(open, [true, true, true, false, false, false, false, false]);
        assert_eq!([Queued, Leased, HandedOver].map(|state| state as i32), [QUEUED, LEASED, HANDED_OVER]);
    }
}
