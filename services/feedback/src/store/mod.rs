//! Remembers the decisions of the domain: loads and saves its types, in statements over many rows.
//!
//! Everything takes the open transaction or connection, and an [`Owner`] or [`Tenant`], so no query can
//! forget whose rows it may see. Entities stay private to this module.

pub mod cases;
mod entity;
pub mod feedback;
pub mod migration;
pub mod state;

pub use db::{Owner, Tenant};
