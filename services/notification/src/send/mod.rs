//! Hands messages over to the channels beyond the inbox. The one there is so far: a file.
//!
//! [`Sender`] leases what is queued, hands it over, and marks what the file has taken. The file holds each
//! message exactly once, whatever happens between any two of these steps.

mod file_sink;
mod line;
mod sender;

pub use sender::{Error, Sender};
