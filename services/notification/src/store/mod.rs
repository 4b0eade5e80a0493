//! Remembers the decisions of the domain: loads and saves its types, in statements over many rows.
//!
//! Everything takes the open transaction or connection, and an [`Owner`] or [`Tenant`], so no query can
//! forget whose rows it may see; only a worker, which serves all tenants, looks for [`sendings`] without.
//! Entities stay private to this module.

pub mod deliveries;
mod entity;
pub mod messages;
pub mod migration;
pub mod recipients;
pub mod sendings;
pub mod templates;

pub use db::{Owner, Tenant};

/// The leading columns of what a recipient owns.
const OWNER: [&str; 3] = ["bucket", "tenant_id", "recipient_id"];
