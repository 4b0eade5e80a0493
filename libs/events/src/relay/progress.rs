//! What one courier knows of its subscriber, bucket by bucket: pure bookkeeping, no call and no clock.

use std::collections::BTreeMap;

use proto::rapport::event::v1 as pb;

use crate::Place;
use crate::log::{Buckets, Portion, Position};

/// Where the subscriber stands in one bucket, as far as this process knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// It was not asked yet.
    Unknown,
    /// Its cursor stands at a place of the log, and everything through `read` holds nothing else for it than
    /// what was sent.
    At { cursor: Place, read: Place },
    /// An event fails: it is tried again after some rounds.
    Failing { cursor: Place, rounds: u32 },
    /// LOG_DIVERGED.
    Diverged,
    /// LOG_TRUNCATED.
    Truncated,
}

/// All buckets of one subscriber.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    stands: BTreeMap<i32, Stand>,
}

/// How many buckets are in which trouble, and what is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) lag: i64,
    pub(super) unknown: i32,
    pub(super) failing: i32,
    pub(super) diverged: i32,
    pub(super) truncated: i32,
}

impl Progress {
    /// Keeps to the buckets that this process holds.
    pub(super) fn hold(&mut self, buckets: &Buckets) {
        self.stands.retain(|bucket, _| buckets.contains_key(bucket));
        for bucket in buckets.keys() {
            self.stands.entry(*bucket).or_insert(Stand::Unknown);
        }
    }

    /// Forgets where the subscriber stands: it is asked again. Those that stand still only if `all`.
    pub(super) fn forget(&mut self, all: bool) {
        for stand in self.stands.values_mut() {
            if all || !matches!(stand, Stand::Diverged | Stand::Truncated) {
                *stand = Stand::Unknown;
            }
        }
    }

    /// Buckets to ask about.
    pub(super) fn unknown(&self) -> impl Iterator<Item = i32> {
        self.stands.iter().filter(|(_, stand)| **stand == Stand::Unknown).map(|(bucket, _)| *bucket)
    }

    /// Buckets in which the subscriber stands somewhere.
    pub(super) fn standing(&self) -> impl Iterator<Item = i32> {
        let stands = self.stands.iter().filter(|(_, stand)| matches!(stand, Stand::At { .. }));
        stands.map(|(bucket, _)| *bucket)
    }

    /// The positions after which to read on.
    pub(super) fn to_read(&self, buckets: &Buckets) -> Vec<Position> {
        let behind = |(bucket, stand): (&i32, &Stand)| {
            let Stand::At { read, .. } = stand else { return None };
            (read.position < buckets.get(bucket)?.last.position).then_some((*bucket, read.position))
        };
        self.stands.iter().filter_map(behind).collect()
    }

    /// Notes what was read, and returns the slices to send: those with events, and with `flush` also those
    /// that only move a cursor.
    pub(super) fn slices(
        &mut self,
        buckets: &Buckets,
        portions: Vec<Portion>,
        flush: bool,
    ) -> Vec<pb::Slice> {
        let mut events = BTreeMap::new();
        for portion in portions {
            if let Some(Stand::At { read, .. }) = self.stands.get_mut(&portion.bucket) {
                *read = portion.through;
                events.insert(portion.bucket, portion.events);
            }
        }
        let mut slices = Vec::new();
        for (bucket, stand) in &self.stands {
            let (Stand::At { cursor, read }, Some(state)) = (stand, buckets.get(bucket)) else { continue };
            let events = events.remove(bucket).unwrap_or_default();
            if events.is_empty() && (!flush || read.position <= cursor.position) {
                continue;
            }
            slices.push(pb::Slice {
                bucket: *bucket,
                log_start: state.first_position,
                log_end: Some(state.last.message()),
                after: Some(cursor.message()),
                through: Some(read.message()),
                events: events.into_iter().map(message).collect(),
            });
        }
        slices
    }

    /// A slice that only asks.
    pub(super) fn question(bucket: i32, buckets: &Buckets) -> Option<pb::Slice> {
        let state = buckets.get(&bucket)?;
        Some(pb::Slice {
            bucket,
            log_start: state.first_position,
            log_end: Some(state.last.message()),
            after: Some(Place::ZERO.message()),
            through: Some(Place::ZERO.message()),
            events: Vec::new(),
        })
    }

    /// What was read since the subscriber's last answer is to be read again.
    pub(super) fn reread(&mut self) {
        for stand in self.stands.values_mut() {
            if let Stand::At { cursor, read } = stand {
                *read = *cursor;
            }
        }
    }

    /// The subscriber stands at `cursor`; `known` is the event that the log has there.
    pub(super) fn stands_at(&mut self, bucket: i32, cursor: Place) {
        self.stands.insert(bucket, Stand::At { cursor, read: cursor });
    }

    /// The subscriber applied everything through `cursor`.
    pub(super) fn applied(&mut self, bucket: i32, cursor: Place) {
        if let Some(Stand::At { cursor: known, read }) = self.stands.get_mut(&bucket) {
            *known = cursor;
            // A slice that was cut leaves events to be read again.
            if read.position < cursor.position {
                *read = cursor;
            }
        }
    }

    pub(super) fn set(&mut self, bucket: i32, stand: Stand) {
        self.stands.insert(bucket, stand);
    }

    /// One round has passed: what failed long enough ago is tried again.
    pub(super) fn round(&mut self) {
        for stand in self.stands.values_mut() {
            if let Stand::Failing { cursor, rounds } = stand {
                match rounds.checked_sub(1) {
                    Some(left) => *rounds = left,
                    None => *stand = Stand::At { cursor: *cursor, read: *cursor },
                }
            }
        }
    }

    /// Positions that the subscriber has.
    pub(super) fn places(&self) -> BTreeMap<i32, i64> {
        let place = |(bucket, stand): (&i32, &Stand)| match stand {
            Stand::At { cursor, .. } | Stand::Failing { cursor, .. } => Some((*bucket, cursor.position)),
            Stand::Unknown | Stand::Diverged | Stand::Truncated => None,
        };
        self.stands.iter().filter_map(place).collect()
    }

    pub(super) fn sum(&self, buckets: &Buckets) -> Sum {
        let mut sum = Sum::default();
        for (bucket, stand) in &self.stands {
            let last = buckets.get(bucket).map_or(0, |state| state.last.position);
            match stand {
                Stand::Unknown => sum.unknown += 1,
                Stand::Diverged => sum.diverged += 1,
                Stand::Truncated => sum.truncated += 1,
                Stand::Failing { .. } => sum.failing += 1,
                Stand::At { .. } => {}
            }
            if let Stand::At { cursor, .. } | Stand::Failing { cursor, .. } = stand {
                sum.lag += (last - cursor.position).max(0);
            }
        }
        sum
    }
}

fn message(entry: crate::log::Entry) -> pb::Event {
    pb::Event {
        position: entry.position,
        event_id: entry.event_id.to_string(),
        tenant_id: entry.tenant_id,
        aggregate_id: entry.aggregate_id.to_string(),
        aggregate_seq: entry.aggregate_seq,
        kind: entry.kind,
        order_key: entry.order_key,
        traceparent: entry.traceparent,
        payload: entry.payload,
    }
}
