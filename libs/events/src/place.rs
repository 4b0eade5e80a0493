//! A place in one bucket of a log.

use proto::rapport::event::v1 as pb;
use uuid::Uuid;

/// A place: between the event with this number and the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of an event in its bucket, from 1; 0 before the first; [`Place::START`], [`Place::END`].
    pub position: i64,
    /// The event with that number; nil if it is not known.
    pub event_id: Uuid,
}

impl Place {
    /// Before the first event.
    pub const ZERO: Place = Place { position: 0, event_id: Uuid::nil() };
    /// Where the log begins now, whatever it has lost already.
    pub const START: Place = Place { position: -1, event_id: Uuid::nil() };
    /// Where the log ends now.
    pub const END: Place = Place { position: -2, event_id: Uuid::nil() };

    /// The place on the wire.
    pub fn message(self) -> pb::Place {
        let known = !self.event_id.is_nil();
        let event_id = if known { self.event_id.to_string() } else { String::new() };
        pb::Place { position: self.position, event_id }
    }

    /// The place that a message names; `None` if it names none.
    pub fn of(message: Option<&pb::Place>) -> Option<Place> {
        let message = message?;
        let event_id = match message.event_id.as_str() {
            "" => Uuid::nil(),
            text => Uuid::try_parse(text).ok()?,
        };
        Some(Place { position: message.position, event_id })
    }
}
