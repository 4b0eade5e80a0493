//! The wire's shapes of ids and moments, in both directions.

use ambient::Time;
use proto::{Path, Violations};
use uuid::Uuid;

/// A moment.
pub fn timestamp(at: Time) -> prost_types::Timestamp {
    let (seconds, nanos) = at.parts();
    prost_types::Timestamp { seconds, nanos }
}

/// A moment; unset for never.
pub fn opt_timestamp(at: Time) -> Option<prost_types::Timestamp> {
    (!at.is_never()).then(|| timestamp(at))
}

/// An id; empty for nil.
pub fn uuid_text(id: Uuid) -> String {
    if id.is_nil() { String::new() } else { id.hyphenated().to_string() }
}

/// An id from a field that its rule has checked already.
pub fn uuid(text: &str, path: &Path<'_>, field: &'static str, found: &mut Violations) -> Uuid {
    Uuid::try_parse(text).unwrap_or_else(|_| {
        found.add(path, field, "must be a UUID");
        Uuid::nil()
    })
}

/// A moment from a field.
pub fn time(
    given: Option<prost_types::Timestamp>,
    path: &Path<'_>,
    field: &'static str,
    found: &mut Violations,
) -> Option<Time> {
    let given = given?;
    let whole = (0..1_000_000_000).contains(&given.nanos);
    let time = Time::from_parts(given.seconds, given.nanos).filter(|_| whole);
    if time.is_none() {
        found.add(path, field, "must be a moment between the years 1 and 9999");
    }
    time
}

/// The moments from two fields between which something lies: since the first of them, before the second.
pub fn period(
    [(since, first), (before, second)]: [(Option<prost_types::Timestamp>, &'static str); 2],
    path: &Path<'_>,
    found: &mut Violations,
) -> (Option<Time>, Option<Time>) {
    let (since, before) = (time(since, path, first, found), time(before, path, second, found));
    if since.zip(before).is_some_and(|(since, before)| since > before) {
        found.add(path, second, format!("must not lie before {first}"));
    }
    (since, before)
}

/// The place of a page that begins after a moment and an id, in the order of its bytes.
pub fn cursor(at: Time, id: Uuid) -> Vec<u8> {
    [at.micros().to_be_bytes().as_slice(), id.as_bytes()].concat()
}

/// The place that [`cursor`] wrote.
pub fn place(cursor: &[u8]) -> Option<(Time, Uuid)> {
    let (at, id) = cursor.split_at_checked(8)?;
    Some((Time::from_micros(rpc::page::number(at)), Uuid::from_slice(id).ok()?))
}
