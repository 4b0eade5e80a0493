//! The two ambient inputs of a program, time and identifiers, as values that are passed in.
//!
//! Nothing else in the workspace reads a clock or draws a random identifier for business purposes, so a
//! test or a replay that sets them decides everything that depends on them.

mod clock;
mod ids;
mod time;

pub use clock::Clock;
pub use ids::Ids;
pub use time::Time;
