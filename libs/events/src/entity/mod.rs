//! Rows of the library's tables that are written in bulk.

pub(crate) mod acknowledgement;
pub(crate) mod cursor;
pub(crate) mod event;
pub(crate) mod parked;
