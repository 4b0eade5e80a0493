//! Portions of the log: what comes next for one subscriber, of many buckets in one statement.

use std::collections::BTreeMap;

use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{FromQueryResult, Value};
use db::{Keyed, Pick};
use uuid::Uuid;

use super::{Buckets, Log};
use crate::Place;

/// Events in one portion, over all buckets.
const EVENTS_MAX: usize = 512;
/// Events of each bucket at least, of many.
const EVENTS_MIN: usize = 8;
/// Payload of one portion in bytes; one event may be larger.
const BYTES_MAX: usize = 1_024 * 1_024;
/// Positions of one bucket that one portion passes over.
const POSITIONS_MAX: i64 = 2_048;

/// What comes next for one subscriber.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portions {
    /// One for each bucket in which something follows and was taken.
    pub portions: Vec<Portion>,
    /// True if more follows that found no room.
    pub more: bool,
}

/// A position in a bucket.
pub type Position = (i32, i64);

/// What comes next in one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portion {
    /// The bucket.
    pub bucket: i32,
    /// Its last place.
    pub through: Place,
    /// The wanted events in between.
    pub events: Vec<Entry>,
}

/// An event of the log.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Entry {
    /// The bucket.
    pub bucket: i32,
    /// Its number in the bucket.
    pub position: i64,
    /// Its id.
    pub event_id: Uuid,
    /// Its tenant.
    pub tenant_id: String,
    /// Whose history it is part of.
    pub aggregate_id: Uuid,
    /// Its number in that history.
    pub aggregate_seq: i64,
    /// Full name of the payload's message.
    pub kind: String,
    /// Machine time of the source in microseconds since 1970.
    pub order_key: i64,
    /// The trace that caused it.
    pub traceparent: String,
    /// The encoded message.
    pub payload: Vec<u8>,
}

#[derive(FromQueryResult)]
struct Mark {
    bucket: i32,
    position: i64,
    event_id: Uuid,
}

#[derive(FromQueryResult)]
struct Age {
    order_key: i64,
}

impl Log {
    /// What follows these positions: the events of these kinds, and how far the portion reaches over the
    /// others. Together at most 512 events and about 1 MiB.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn portions(
        &self,
        buckets: &Buckets,
        after: &[Position],
        kinds: &[String],
    ) -> Result<Portions, db::Error> {
        let ranges: Vec<Range> = after.iter().filter_map(|after| Range::of(buckets, *after)).collect();
        let first = share(ranges.len());
        let mut found = self.events_in(&ranges, kinds, first).await?;
        let (mut events_left, mut bytes_left) = (EVENTS_MAX, BYTES_MAX);
        let mut more = false;
        let mut cut = Vec::with_capacity(ranges.len());
        for range in ranges {
            let mut events = found.remove(&range.bucket).unwrap_or_default();
            let taken = fitting(&events, &mut events_left, &mut bytes_left);
            // A portion that is cut ends with its last event; the next one goes on from there.
            let whole = taken == events.len() && taken < first;
            more |= !whole || range.through < range.last.position;
            events.truncate(taken);
            let through = if whole { Some(range.through) } else { events.last().map(|event| event.position) };
            cut.extend(through.map(|through| (range, through, events)));
        }
        let ends = cut.iter().filter(|(range, through, _)| *through != range.last.position);
        let ends: Vec<Position> = ends.map(|(range, through, _)| (range.bucket, *through)).collect();
        let marks = self.marks(&ends).await?;
        let portions = cut.into_iter().map(|(range, position, events)| {
            let last = (position == range.last.position).then_some(range.last.event_id);
            let event_id = last.or_else(|| marks.get(&(range.bucket, position)).copied()).unwrap_or_default();
            Portion { bucket: range.bucket, through: Place { position, event_id }, events }
        });
        Ok(Portions { portions: portions.collect(), more })
    }

    async fn events_in(
        &self,
        ranges: &[Range],
        kinds: &[String],
        first: usize,
    ) -> Result<BTreeMap<i32, Vec<Entry>>, db::Error> {
        let mut by_bucket: BTreeMap<i32, Vec<Entry>> = BTreeMap::new();
        if kinds.is_empty() {
            return Ok(by_bucket);
        }
        let listed = format!(",{},", kinds.join(","));
        let key = |range: &Range| {
            let (after, through) = (range.after.into(), range.through.into());
            vec![range.bucket.into(), after, through, listed.as_str().into()]
        };
        let keys: Vec<Vec<Value>> = ranges.iter().map(key).collect();
        let select = Keyed {
            table: "event_log",
            on: &["bucket"],
            types: &[ArrayType::Int, ArrayType::BigInt, ArrayType::BigInt, ArrayType::String],
            filter: "t.position > k.c1 AND t.position <= k.c2 AND k.c3 LIKE '%,' || t.kind || ',%'",
            order: "t.position",
            pick: u32::try_from(first).map_or(Pick::All, Pick::First),
            more: "",
        };
        let mut events: Vec<Entry> = db::select_in(self.db.reader(), select, &keys).await?;
        events.sort_unstable_by_key(|event| (event.bucket, event.position));
        for event in events.into_iter().filter(|event| kinds.contains(&event.kind)) {
            by_bucket.entry(event.bucket).or_default().push(event);
        }
        Ok(by_bucket)
    }

    /// The events that the log has at these positions; those it no longer has, or not yet, are missing.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn marks(&self, at: &[Position]) -> Result<BTreeMap<Position, Uuid>, db::Error> {
        let rows: Vec<Mark> = self.at(at).await?;
        Ok(rows.into_iter().map(|row| ((row.bucket, row.position), row.event_id)).collect())
    }

    /// The order key of the oldest of the events at these positions.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn oldest(&self, at: &[Position]) -> Result<Option<i64>, db::Error> {
        let rows: Vec<Age> = self.at(at).await?;
        Ok(rows.into_iter().map(|row| row.order_key).min())
    }

    async fn at<M: FromQueryResult>(&self, positions: &[Position]) -> Result<Vec<M>, db::Error> {
        let select = Keyed {
            table: "event_log",
            on: &["bucket", "position"],
            types: &[ArrayType::Int, ArrayType::BigInt],
            filter: "",
            order: "",
            pick: Pick::All,
            more: "",
        };
        let keys: Vec<_> = positions.iter().map(|(b, p)| vec![(*b).into(), (*p).into()]).collect();
        db::select_in(self.db.reader(), select, &keys).await
    }
}

/// The positions that a portion may reach over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    bucket: i32,
    after: i64,
    through: i64,
    last: Place,
}

impl Range {
    /// `None` if nothing follows, or what follows is gone.
    fn of(buckets: &Buckets, (bucket, after): Position) -> Option<Range> {
        let state = buckets.get(&bucket)?;
        let through = state.last.position.min(after.checked_add(POSITIONS_MAX)?);
        let follows = after.checked_add(1)? >= state.first_position && through > after;
        follows.then_some(Range { bucket, after, through, last: state.last })
    }
}

/// How many events to read of each of so many buckets: what is read beyond the room of a portion is read
/// again. A power of two, for few texts of the statement.
fn share(buckets: usize) -> usize {
    EVENTS_MAX.div_ceil(buckets.max(1)).next_power_of_two().max(EVENTS_MIN)
}

/// How many of the events fit into what is left; at least one if nothing was taken yet.
fn fitting(events: &[Entry], events_left: &mut usize, bytes_left: &mut usize) -> usize {
    let mut taken = 0;
    for event in events {
        let bytes = event.payload.len();
        let first = *events_left == EVENTS_MAX;
        if *events_left == 0 || (bytes > *bytes_left && !first) {
            break;
        }
        *events_left -= 1;
        *bytes_left = bytes_left.saturating_sub(bytes);
        taken += 1;
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(position: i64, bytes: usize) -> Entry {
        Entry {
            bucket: 0,
            position,
            event_id: Uuid::nil(),
            tenant_id: String::new(),
            aggregate_id: Uuid::nil(),
            aggregate_seq: position,
            kind: String::new(),
            order_key: position,
            traceparent: String::new(),
            payload: vec![0; bytes],
        }
    }

    #[test]
    fn a_portion_is_bounded_but_a_large_event_passes_alone() {
        let small: Vec<Entry> = (1..=600).map(|i| entry(i, 10)).collect();
        assert_eq!(fitting(&small, &mut EVENTS_MAX.clone(), &mut BYTES_MAX.clone()), EVENTS_MAX);
        let large = [entry(1, BYTES_MAX * 2), entry(2, 1)];
        assert_eq!(fitting(&large, &mut EVENTS_MAX.clone(), &mut BYTES_MAX.clone()), 1);
        let mut full = (3, 5);
        assert_eq!(fitting(&small, &mut full.0, &mut full.1), 0, "others took the room");
    }

    #[test]
    fn what_is_read_fills_a_portion_and_little_more() {
        assert_eq!([0, 1, 2, 3, 63, 64, 1_000].map(share), [512, 512, 256, 256, 16, 8, 8]);
    }

    #[test]
    fn what_is_gone_or_not_there_yet_is_no_range() {
        use crate::log::Bucket;

        let last = Place { position: 10, event_id: Uuid::nil() };
        let buckets = Buckets::from([(3, Bucket { token: 1, first_position: 5, last })]);
        let reach = |position| Range::of(&buckets, (3, position)).map(|range| range.through);
        assert_eq!(
            [reach(3), reach(4), reach(9), reach(10), reach(11)],
            [None, Some(10), Some(10), None, None]
        );
        assert_eq!(Range::of(&buckets, (4, 5)), None);
    }
}
