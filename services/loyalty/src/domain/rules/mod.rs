//! Earning rules: what an activity grants, by conditions, effects, groups and caps.
//!
//! A rule set is checked as a whole when it is saved and evaluated as a pure function of the facts of an
//! activity and the room that caps leave. Rules look at activities and tiers, never at points, and each
//! activity is asked about once: no grant can cause another, so no rule set loops.

mod check;
mod compile;
mod condition;
mod eligibility;
mod evaluate;
mod facts;
mod rule;
mod window;

#[cfg(test)]
mod tests;

pub(super) use compile::period_start;
pub use compile::{Compiled, Fault, RULES_MAX};
pub use eligibility::Eligibility;
pub use evaluate::{
    Counter, Evaluation, Grant, Matched, Room, evaluate, evaluate_again, evaluate_rest, room_under,
};
pub use facts::{ATTRIBUTES_MAX, Facts, ITEMS_MAX, LineItem, MemberFacts};
pub use rule::{Cap, CapOf, Effect, Overflow, Period, Rounding, Rule, Rules, Scope, Stacking, Window};
