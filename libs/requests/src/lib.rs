//! What every service does around its own work on a request, and the promise that a request acts once.
//!
//! A request id, the request it came with and the answer it got are one row, written in the transaction that
//! did the work: sent again, it is answered from that row, to the bit; sent with another content, it is
//! refused. [`once`] is the whole way for a single transaction; a service that decides many requests in one
//! transaction uses [`find`], [`replay`] and [`insert`] itself.

mod answer;
mod caller;
mod entity;
mod once;
mod record;
mod secrets;
mod serve;
pub mod wire;

pub use answer::{response, told};
pub use caller::Caller;
pub use once::{Answer, Call, Once, Written, decided, once, replay};
pub use record::{Record, Selection, find, forget, insert, insert_to, lookup, page, table};
pub use secrets::{page_tokens, secrets_table};
