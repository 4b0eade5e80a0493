//! The numbers that stand for kinds of facts in rows. A number never changes its meaning.

use crate::domain::{Dimension, Metric, Series};

/// Kinds up to this one are counted in scores: the partial index of observations says the same.
pub(super) const SCORED_MAX: i32 = 5;
pub(super) const DISMISSED: i32 = 5;
pub(super) const UNRATED: i32 = 6;
pub(super) const PURCHASE: i32 = 10;
pub(super) const VISIT: i32 = 11;
pub(super) const ACTIVITY: i32 = 12;
pub(super) const CASE_OPENED: i32 = 13;
pub(super) const CASE_RESOLVED: i32 = 14;
pub(super) const TIER_CHANGED: i32 = 15;
pub(super) const REDEEMED: i32 = 16;
pub(super) const ENROLLED: i32 = 17;

/// The dimension of what is not told apart.
pub(super) const ALL: i32 = 0;

pub(super) fn metric(metric: Metric) -> i32 {
    match metric {
        Metric::Nps => 1,
        Metric::Csat => 2,
        Metric::CesHighIsEasy => 3,
        Metric::CesHighIsHard => 4,
    }
}

pub(super) fn metric_of(code: i32) -> Option<Metric> {
    Metric::ALL.into_iter().find(|one| metric(*one) == code)
}

pub(super) fn series(series: Series) -> i32 {
    match series {
        Series::Answers(of) => metric(of),
        Series::Dismissals => DISMISSED,
    }
}

pub(super) fn dimension(dimension: Dimension) -> i32 {
    match dimension {
        Dimension::Channel => 1,
        Dimension::Touchpoint => 2,
        Dimension::Branch => 3,
        Dimension::Staff => 4,
    }
}

/// The column of an observation that holds the value of a dimension.
pub(super) fn column(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Channel => "channel",
        Dimension::Touchpoint => "touchpoint",
        Dimension::Branch => "branch_id",
        Dimension::Staff => "staff_id",
    }
}
