//! The tables, one file each. Nothing outside `store` names them.
#![expect(unreachable_pub, reason = "the derive makes everything public")]

pub(super) mod answer;
pub(super) mod case_step;
pub(super) mod feedback;
pub(super) mod service_case;
