//! Remembers the decisions of the domain: loads and saves its types, in statements over many rows.
//!
//! Everything takes the open transaction or connection, and an [`Owner`] or [`Tenant`], so no query can
//! forget whose rows it may see; only a worker, which serves all tenants, looks for [`sendings`] without.
//! Entities stay private to this module.

pub mod commands;
pub mod deliveries;
mod entity;
pub mod messages;
pub mod migration;
mod owner;
pub mod recipients;
pub mod secrets;
pub mod sendings;
pub mod templates;

pub use owner::{Owner, Tenant};
