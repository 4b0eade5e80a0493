//! Remembers the decisions of the domain: loads and saves its types, in statements over many rows.
//!
//! Everything takes the open transaction or connection, and an [`Owner`] or [`Tenant`], so no query can
//! forget whose rows it may see. Entities stay private to this module.

pub mod activities;
mod audit;
pub mod balance_at;
mod changes;
pub mod counters;
mod days;
pub mod due;
mod entity;
pub mod households;
pub mod liability;
pub mod liability_report;
pub mod lots;
pub mod member_keys;
pub mod members;
pub mod migration;
pub mod moves;
pub mod postings;
pub mod programs;
mod purse_rows;
pub mod redemptions;
pub mod referrals;
pub mod reviews;
pub mod rewards;
pub mod rule_sets;
pub mod spans;
pub mod state;
pub mod tier_changes;
pub mod tiers;
pub mod unread;
pub mod wallets;

pub use audit::{Check, Report, Totals as LedgerTotals, audit};
pub use changes::Changes;
pub use db::{Owner, Tenant};
pub use tier_changes::TierChange;

/// The nil UUID in SQL, where a parameter would hide it from the planner.
fn nil(backend: db::sea_orm::DbBackend) -> &'static str {
    match backend {
        db::sea_orm::DbBackend::Sqlite => "x'00000000000000000000000000000000'",
        _ => "'00000000-0000-0000-0000-000000000000'",
    }
}

/// The leading columns of what a wallet owns.
const OWNER: [&str; 3] = ["bucket", "tenant_id", "wallet_id"];
