//! Remembers observations, and what was counted of them: loads and saves the domain's types, in statements
//! over many rows.
//!
//! Everything takes the open transaction or connection, and an [`Owner`] or [`Tenant`], so no query can
//! forget whose rows it may see; only [`rebuild`], which serves all tenants, reads without. Observations
//! are never changed; profiles, histograms and watermarks can be made again from them at any time, while
//! the [`gate`] is shut. Entities stay private to this module.

mod codes;
pub mod effects;
mod entity;
pub mod gate;
pub mod histograms;
pub mod migration;
pub mod observations;
pub mod profiles;
pub mod rebuild;
pub mod scores;
pub mod watermarks;

pub use db::{Owner, Tenant};

/// The leading columns of what a customer owns.
const OWNER: [&str; 3] = ["bucket", "tenant_id", "customer_id"];
