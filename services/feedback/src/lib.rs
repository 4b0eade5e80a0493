//! Feedback: what customers say, from every channel, and the cases that complaints become.
//!
//! The promise: no voice is lost or counted twice, whatever is retried, raced or restarted; every complaint
//! has a case with a deadline, at most one owner at a time, and an ending. `domain` decides purely, `store`
//! remembers, `rpc` speaks gRPC.

pub mod domain;
#[cfg(test)]
mod fixture;
mod rpc;
mod service;
pub mod store;

pub use rpc::state;
pub use service::{Deps, Service, build};
pub use store::migration::Migrator;
