//! Writes events in the transaction that causes them.

use uuid::Uuid;

use crate::entity::event;

/// What happened to one aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The tenant it belongs to.
    pub tenant_id: String,
    /// Whose history it is part of; decides the bucket.
    pub aggregate_id: Uuid,
    /// Its number in that history, from 1, without gaps.
    pub aggregate_seq: i64,
    /// From [`next_order_key`].
    pub order_key: i64,
    /// Full name of the payload's message, such as `rapport.loyalty.v1.PointsEarned`.
    pub kind: &'static str,
    /// The trace of the command that caused it, as W3C `traceparent`; empty if it is not traced.
    pub traceparent: String,
    /// The encoded message. Ids and facts only: no names, addresses or verbatim text.
    pub payload: Vec<u8>,
}

/// Writes events in the transaction that causes them.
///
/// # Errors
/// `db::Error::Constraint` if one of the numbers was used before: the caller did not hold its aggregate's
/// lock.
pub async fn append(tx: &db::Tx, events: Vec<Event>) -> Result<(), db::Error> {
    let mut writes = db::Writes::new(tx);
    append_to(&mut writes, events)?;
    writes.run(tx).await
}

/// The same, together with other writes of the transaction.
///
/// # Errors
/// As [`append`].
pub fn append_to(writes: &mut db::Writes, events: Vec<Event>) -> Result<(), db::Error> {
    let rows: Vec<event::Model> = events.into_iter().map(row).collect();
    writes.insert::<event::Entity>(&rows)
}

fn row(event: Event) -> event::Model {
    event::Model {
        bucket: db::bucket_of(event.aggregate_id.hyphenated().encode_lower(&mut Uuid::encode_buffer())),
        event_id: event_id(&event.tenant_id, event.aggregate_id, event.aggregate_seq),
        tenant_id: event.tenant_id,
        aggregate_id: event.aggregate_id,
        aggregate_seq: event.aggregate_seq,
        kind: event.kind.to_owned(),
        order_key: event.order_key,
        traceparent: event.traceparent,
        payload: event.payload,
    }
}

/// The id of an event: the same for the same place in the same history, so a command decided again names it
/// again.
pub fn event_id(tenant_id: &str, aggregate_id: Uuid, aggregate_seq: i64) -> Uuid {
    Uuid::new_v5(&aggregate_id, format!("{tenant_id}/{aggregate_seq}").as_bytes())
}

/// The order key of the next event of an aggregate: machine time in microseconds, but always past its last.
pub fn next_order_key(machine_now_micros: i64, last: i64) -> i64 {
    machine_now_micros.max(last.saturating_add(1))
}

/// Machine time in microseconds since 1970: for order keys, never for business decisions.
#[expect(clippy::disallowed_methods, reason = "machine time, which business clocks do not move")]
pub fn machine_now_micros() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_keys_never_go_back_even_if_the_machine_clock_does() {
        assert_eq!(next_order_key(100, 5), 100);
        assert_eq!(next_order_key(100, 100), 101);
        assert_eq!(next_order_key(50, 100), 101);
    }

    #[test]
    fn event_ids_depend_on_tenant_aggregate_and_number() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let all = [event_id("t", a, 1), event_id("t", a, 2), event_id("t", b, 1), event_id("u", a, 1)];
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), 4);
        assert_eq!(event_id("t", a, 1), all[0]);
    }
}
