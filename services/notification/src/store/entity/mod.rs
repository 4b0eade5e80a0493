//! The tables, one file each. Nothing outside `store` names them.
#![expect(unreachable_pub, reason = "the derive makes everything public")]

pub(super) mod delivery;
pub(super) mod message;
pub(super) mod recipient;
pub(super) mod template;
