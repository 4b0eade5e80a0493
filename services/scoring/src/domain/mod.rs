//! The rules of scoring: what a fact about a customer changes, and what a number is made of.
//!
//! An [`Observation`] is a fact that is kept for ever. A [`Profile`] is the fold of a customer's observations
//! and a [`Histogram`] that of many customers' answers; both come out the same whatever the order. A
//! [`Window`] is cut into whole days, whole hours and edges, and [`Metric::figure`] turns counts into a
//! number with its interval. Nothing here reads a clock or knows a database.

mod ces;
mod csat;
mod figure;
mod histogram;
mod metric;
mod nps;
mod observation;
mod profile;
mod window;

pub use figure::{Figure, Interval, Z};
pub use histogram::{BINS, Counts, Histogram};
pub use metric::{Definition, Metric};
pub use observation::{Dimension, Mark, Observation, Place, Series, What};
pub use profile::{Given, Profile, Spend, Tier};
pub use window::{Span, Window, WindowFlaw};
