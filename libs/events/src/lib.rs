//! Events between services: an event exists exactly if the transaction that caused it was committed, and its
//! effect in every subscriber happens exactly once, in the order of its aggregate.
//!
//! [`append`] writes events in the causing transaction. A [`Relay`] gives them positions in their [`log`],
//! under leases, and brings them to each [`Subscriber`], which applies them in one transaction with the
//! cursor that says so. What cannot be applied is parked, with the later events of its aggregate; everyone
//! else goes on. A subscriber that the log can no longer serve is brought the [`State`] of the source
//! instead. [`operate`] shows all this to people and lets them decide.

mod append;
mod bell;
mod entity;
mod handler;
pub mod log;
mod migration;
pub mod operate;
pub mod payload;
mod place;
pub mod relay;
mod state;
mod subscriber;
mod trace;

pub use append::{Event, append, append_to, event_id, machine_now_micros, next_order_key};
pub use bell::Bell;
pub use handler::{Apply, Cause, Failed, Handler, Received};
pub use log::Log;
pub use migration::{CreateEventLog, CreateRelay, CreateSubscriber};
pub use place::Place;
pub use relay::{Link, Relay};
pub use state::{Facts, State};
pub use subscriber::{Letter, Retried, Subscriber};

/// The `ErrorInfo` domain of refusals that come from here.
pub const DOMAIN: &str = "rapport.event";
