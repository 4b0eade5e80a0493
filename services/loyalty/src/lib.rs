//! Loyalty: members, points, tiers, rewards and redemptions.
//!
//! The promise: a point is never lost, invented or spent twice, whatever is retried, raced, restarted or
//! refunded.
//! `domain` decides purely, `store` remembers, `ledger` commits many decisions at once, `rpc` speaks gRPC.

pub mod domain;
mod friends;
pub mod ledger;
mod roll_up;
mod rpc;
mod service;
pub mod store;
mod workers;

pub use ledger::state;
pub use rpc::canonical;
pub use service::{Deps, Service, Settings, audit, build};
pub use store::migration::Migrator;
