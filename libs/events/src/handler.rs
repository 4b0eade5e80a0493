//! What a subscriber does with events: effects in the transaction that moves its cursor.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use uuid::Uuid;

/// An event as its subscriber gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The service whose log it comes from, such as `loyalty`.
    pub source: String,
    /// The same however often it is delivered: ids of effects are made from it.
    pub event_id: Uuid,
    /// The tenant it belongs to.
    pub tenant_id: String,
    /// Whose history it is part of.
    pub aggregate_id: Uuid,
    /// Its number in that history, from 1.
    pub aggregate_seq: i64,
    /// Full name of the payload's message.
    pub kind: String,
    /// Machine time of its source when it happened, in microseconds since 1970; grows within an aggregate.
    pub order_key: i64,
    /// The trace that caused it, as W3C `traceparent`; empty if it was not traced.
    pub traceparent: String,
    /// The encoded message.
    pub payload: Vec<u8>,
}

/// Why a batch was not applied.
#[derive(Debug)]
pub struct Failed {
    /// The position in the batch of the event that is to blame.
    pub index: usize,
    /// What went wrong with it.
    pub cause: Cause,
}

/// What went wrong with an event.
#[derive(Debug)]
pub enum Cause {
    /// It cannot be decoded, or the domain refuses it: after some tries it is parked. The text carries no
    /// personal data.
    Refused(String),
    /// The database is in the way: the event is tried again for as long as it takes.
    Database(db::Error),
}

impl From<db::Error> for Cause {
    fn from(error: db::Error) -> Cause {
        Cause::Database(error)
    }
}

/// Applies a batch of events, in their order, inside the open transaction; it has no other effect. Events
/// that were applied before do not come again, unless an operator replays them: ids made from
/// [`Received::event_id`] then collide with those of the first time, and nothing is to be done about them.
pub type Apply =
    Arc<dyn for<'a> Fn(&'a db::Tx, &'a [Received]) -> BoxFuture<'a, Result<(), Failed>> + Send + Sync>;

/// A service's ear.
#[derive(Clone)]
pub struct Handler {
    /// The name of the subscriber, such as `notification`.
    pub name: &'static str,
    /// The kinds of events it takes; others only move its cursor.
    pub kinds: &'static [&'static str],
    /// What it does with them.
    pub apply: Apply,
    /// True if it takes the state of a source, told as events, and leaves alone what it has already; events
    /// of a state have the nil id.
    pub takes_state: bool,
    /// Called after a commit, to wake whoever waits for new work.
    pub applied: Arc<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler")
            .field("name", &self.name)
            .field("kinds", &self.kinds)
            .finish_non_exhaustive()
    }
}
