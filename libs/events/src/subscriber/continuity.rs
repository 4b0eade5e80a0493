//! Whether a slice continues a cursor: the one decision that exactly-once rests on. Pure.

use proto::rapport::event::v1 as pb;
use uuid::Uuid;

use crate::Place;
use crate::handler::Received;

/// A part of one bucket as it was delivered, or a part of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) bucket: i32,
    pub(super) log_start: i64,
    pub(super) log_end: Place,
    pub(super) after: Place,
    pub(super) through: Place,
    /// Positions and events, ascending.
    pub(super) events: Vec<(i64, Received)>,
}

/// What is to be done with a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It continues the cursor.
    Apply,
    /// It was applied before.
    Have,
    /// It does not begin where the cursor stands.
    Rewind,
    /// The cursor is moved here without applying anything: an operator asked for it.
    Move(Place),
    /// The log is not the one that was read so far.
    Diverged,
    /// The log no longer holds what follows the cursor.
    Truncated,
}

/// Compares a piece with the cursor of its bucket.
pub(super) fn judge(cursor: Place, piece: &Piece) -> Verdict {
    if cursor == Place::START {
        return Verdict::Move(Place { position: piece.log_start - 1, event_id: Uuid::nil() });
    }
    if cursor == Place::END {
        return Verdict::Move(piece.log_end);
    }
    let end = piece.log_end;
    let diverged = end.position < cursor.position
        || differ(cursor, end)
        || differ(cursor, piece.after)
        || differ(cursor, piece.through);
    if diverged {
        Verdict::Diverged
    } else if piece.log_start > cursor.position.saturating_add(1) {
        Verdict::Truncated
    } else if piece.after.position == piece.through.position {
        Verdict::Rewind
    } else if piece.through.position <= cursor.position {
        Verdict::Have
    } else if piece.after.position == cursor.position {
        Verdict::Apply
    } else {
        Verdict::Rewind
    }
}

/// Two known events at one position: the logs are different ones.
fn differ(one: Place, other: Place) -> bool {
    let known = !one.event_id.is_nil() && !other.event_id.is_nil();
    one.position == other.position && known && one.event_id != other.event_id
}

impl Piece {
    /// The slice as a piece; `None` if it is not one.
    pub(super) fn of(source: &str, slice: pb::Slice) -> Option<Piece> {
        let (after, through) = (Place::of(slice.after.as_ref())?, Place::of(slice.through.as_ref())?);
        let mut events = Vec::with_capacity(slice.events.len());
        let mut last = after.position;
        for event in slice.events {
            if event.position <= last || event.position > through.position {
                return None;
            }
            last = event.position;
            events.push((event.position, received(source, event)?));
        }
        let buckets = 0..i32::try_from(db::BUCKETS).unwrap_or(i32::MAX);
        let whole = buckets.contains(&slice.bucket) && after.position <= through.position;
        let log_end = Place::of(slice.log_end.as_ref())?;
        let piece =
            Piece { bucket: slice.bucket, log_start: slice.log_start, log_end, after, through, events };
        whole.then_some(piece)
    }

    /// Its first `count` events and the others; the second piece begins where the first ends.
    pub(super) fn split(mut self, count: usize) -> (Piece, Piece) {
        let rest = self.events.split_off(count.min(self.events.len()));
        let middle = self
            .events
            .last()
            .map_or(self.after, |(position, event)| Place { position: *position, event_id: event.event_id });
        let second = Piece { after: middle, events: rest, ..self.clone() };
        (Piece { through: middle, ..self }, second)
    }
}

pub(super) fn received(source: &str, event: pb::Event) -> Option<Received> {
    Some(Received {
        source: source.to_owned(),
        event_id: Uuid::try_parse(&event.event_id).ok()?,
        tenant_id: event.tenant_id,
        aggregate_id: Uuid::try_parse(&event.aggregate_id).ok()?,
        aggregate_seq: event.aggregate_seq,
        kind: event.kind,
        order_key: event.order_key,
        traceparent: event.traceparent,
        payload: event.payload,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(log: u128, position: i64) -> Uuid {
        if position <= 0 { Uuid::nil() } else { Uuid::from_u128(log * 1_000_000 + position as u128) }
    }

    fn place(position: i64) -> Place {
        Place { position, event_id: id(1, position) }
    }

    fn piece(after: i64, through: i64, log_start: i64, log_end: i64) -> Piece {
        let (after, through, log_end) = (place(after), place(through), place(log_end));
        Piece { bucket: 0, log_start, log_end, after, through, events: Vec::new() }
    }

    #[test]
    fn a_slice_is_applied_only_where_the_cursor_stands() {
        let cases = [
            (5, piece(5, 8, 1, 9), Verdict::Apply),
            (8, piece(5, 8, 1, 9), Verdict::Have),
            (9, piece(5, 8, 1, 9), Verdict::Have),
            (4, piece(5, 8, 1, 9), Verdict::Rewind),
            (6, piece(5, 8, 1, 9), Verdict::Rewind),
            (6, piece(0, 0, 1, 9), Verdict::Rewind),
            (0, piece(0, 3, 1, 9), Verdict::Apply),
        ];
        for (cursor, piece, verdict) in cases {
            assert_eq!(judge(place(cursor), &piece), verdict, "cursor {cursor} {piece:?}");
        }
    }

    #[test]
    fn another_log_is_recognised_by_its_end_or_by_an_event() {
        assert_eq!(judge(place(10), &piece(0, 0, 1, 9)), Verdict::Diverged, "the log is shorter");
        let other = Place { position: 5, event_id: id(2, 5) };
        assert_eq!(judge(other, &piece(5, 8, 1, 9)), Verdict::Diverged, "another event before the slice");
        let other = Place { position: 8, event_id: id(2, 8) };
        assert_eq!(judge(other, &piece(5, 8, 1, 9)), Verdict::Diverged, "another event at its end");
        let other = Place { position: 9, event_id: id(2, 9) };
        assert_eq!(judge(other, &piece(0, 0, 1, 9)), Verdict::Diverged, "another event at the log's end");
    }

    #[test]
    fn what_is_gone_is_said_and_an_operator_may_go_on() {
        assert_eq!(judge(place(3), &piece(0, 0, 5, 9)), Verdict::Truncated);
        assert_eq!(judge(place(4), &piece(4, 9, 5, 9)), Verdict::Apply);
        let begin = Place { position: 4, event_id: Uuid::nil() };
        assert_eq!(judge(Place::START, &piece(0, 0, 5, 9)), Verdict::Move(begin));
        assert_eq!(judge(begin, &piece(4, 9, 5, 9)), Verdict::Apply);
        assert_eq!(judge(Place::END, &piece(0, 0, 5, 9)), Verdict::Move(place(9)));
    }

    proptest! {
        /// Whatever arrives, in whatever order and however often: each position is applied once, in order.
        #[test]
        fn any_deliveries_apply_every_position_once(
            ranges in proptest::collection::vec((0_i64..20, 1_i64..8), 1..60),
        ) {
            let mut cursor = place(0);
            let mut applied = Vec::new();
            for (after, length) in ranges {
                let piece = piece(after, (after + length).min(20), 1, 20);
                if judge(cursor, &piece) == Verdict::Apply {
                    applied.extend(piece.after.position + 1..=piece.through.position);
                    cursor = piece.through;
                }
            }
            let count = i64::try_from(applied.len()).unwrap();
            prop_assert_eq!(applied, (1..=count).collect::<Vec<_>>());
        }
    }
}
