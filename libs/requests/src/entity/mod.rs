//! The tables, one file each.
#![expect(unreachable_pub, reason = "the derive makes everything public")]

pub(super) mod command;
pub(super) mod secret;
