//! Everything between the socket and a handler, and between a caller and the socket, once for all services.
//!
//! A call that reaches a handler has a deadline, a place among a bounded number of calls, a principal and a
//! trace; whatever happens to it, its caller gets a code, a machine-readable reason and no internals. A
//! mutation, once begun, ends: not a vanished caller, a passed deadline or a polite shutdown cuts it in half.

mod admission;
mod auth;
mod call;
pub mod client;
pub mod error;
mod grpc_timeout;
mod methods;
pub mod page;
pub mod server;
pub mod signal;

pub use auth::{Authenticator, Principal, ServiceToken};
pub use call::{Deadline, deadline, principal, run_to_completion};
pub use error::{Problem, from_proto, internal, to_proto};
pub use page::{List, PageTokens, page_size};

/// The largest request a service takes, in bytes: pass it to `max_decoding_message_size` of every generated
/// server.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The `ErrorInfo` domain of refusals that come from here and not from a service.
pub const DOMAIN: &str = "rapport.rpc";

/// Header by which a caller says that its call may wait behind others: `batch`. Anything else is interactive.
pub const PRIORITY_HEADER: &str = "rapport-priority";
