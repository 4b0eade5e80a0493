//! Scoring: what customers say and do, as numbers that can be recomputed and explained.
//!
//! The promise: every number carries what it is made of and how sure it is, every fact counts once whatever
//! is retried, replayed or reordered, and everything can be made again from the facts alone. `domain` decides
//! purely, `store` remembers, `consume` takes the events of other services, `rpc` speaks gRPC.

mod consume;
pub mod domain;
#[cfg(test)]
mod fixture;
mod rpc;
mod service;
pub mod store;

pub use service::{Deps, Service, build};
pub use store::migration::Migrator;
pub use store::rebuild::rebuild;
