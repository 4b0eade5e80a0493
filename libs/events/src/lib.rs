//! The event log of a service: an event exists exactly if the transaction that caused it was committed.
//!
//! [`append`] writes events in the causing transaction. Each carries the number of its aggregate's history
//! and an order key that never goes back, so whoever delivers them later can keep their order.

mod append;
mod entity;
mod migration;

pub use append::{Event, append, event_id, machine_now_micros, next_order_key};
pub use migration::CreateEventLog;
