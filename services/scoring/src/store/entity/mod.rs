//! The tables, one file each. Nothing outside `store` names them.
#![expect(unreachable_pub, reason = "the derive makes everything public")]

pub(super) mod histogram;
pub(super) mod observation;
pub(super) mod profile;
pub(super) mod watermark;
