//! The way to a database: SQLite beside the process or PostgreSQL over the network, with one set of
//! statements.
//!
//! [`Db::transact`] is the only way to write. It begins the kind of transaction that does not fail under
//! contention, retries what the database asks to retry, and says so when the outcome of a commit is
//! unknown. Reads go through [`Db::reader`]; reads that must agree with each other through
//! [`Db::snapshot`]. Statements that touch many rows ([`bulk_insert`], [`bulk_update`], [`select_in`]) keep
//! their text independent of the number of rows.
//!
//! Columns that go through the bulk statements hold no nulls: "none" is the empty text, the nil UUID or
//! `i64::MAX`.

mod bucket;
mod bulk;
mod connect;
mod data_dir;
mod error;
mod keyed;
mod migrate;
mod owner;
mod plan;
pub mod schema;
mod statistics;
mod trace;
mod transact;
mod walk;

pub use bucket::{BUCKETS, bucket_of};
pub use bulk::{Writes, bulk_insert, bulk_update, bulk_upsert};
pub use connect::{Db, Settings, Synchronous};
pub use data_dir::DataDir;
pub use error::Error;
pub use keyed::{Keyed, Lookup, Pick, execute_in, select_beside, select_in};
pub use migrate::{migrate, pending_migrations};
pub use owner::{OWNER_TYPES, Owner, Tenant};
pub use plan::{Plan, plan};
pub use sea_orm;
pub use sea_orm_migration;
pub use statistics::Statistics;
pub use trace::traced;
pub use transact::{Tx, Work};
pub use walk::{Walk, walk};
