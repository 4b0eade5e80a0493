//! Notification: templates, the messages made from them, and their way to the recipient.
//!
//! The promise: an event leads to the right message once, whatever is retried, replayed, raced or restarted.
//! `domain` decides purely, `store` remembers, `consume` takes the events of other services, `send` hands
//! messages over, `rpc` speaks gRPC.

mod consume;
pub mod domain;
#[cfg(test)]
mod fixture;
mod rpc;
mod send;
mod service;
pub mod store;

pub use send::{Error as SendError, Sender};
pub use service::{Deps, Service, Settings, build};
pub use store::migration::Migrator;
