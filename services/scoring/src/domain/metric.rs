//! The metrics: their scales, their definitions, and the one way in which each is computed.

use std::ops::RangeInclusive;

use super::figure::Figure;
use super::histogram::Histogram;
use super::{ces, csat, nps};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Likelihood to recommend.
    Nps,
    /// Satisfaction.
    Csat,
    /// Effort, where 7 is easiest.
    CesHighIsEasy,
    /// Effort, where 1 is easiest.
    CesHighIsHard,
}

/// How a metric is computed, in words. Another formula is another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub id: &'static str,
    /// From 1.
    pub version: i32,
    /// What is divided by what.
    pub formula: &'static str,
    /// The scale of the answers, and which end of it is good.
    pub scale: &'static str,
    /// How the interval is computed.
    pub interval: &'static str,
}

impl Metric {
    /// All of them.
    pub const ALL: [Metric; 4] = [Metric::Nps, Metric::Csat, Metric::CesHighIsEasy, Metric::CesHighIsHard];

    /// Answers that its scale has.
    pub fn scale(self) -> RangeInclusive<i32> {
        match self {
            Metric::Nps => 0..=10,
            Metric::Csat => 1..=5,
            Metric::CesHighIsEasy | Metric::CesHighIsHard => 1..=7,
        }
    }

    /// How it is computed, in words.
    pub fn definition(self) -> &'static Definition {
        match self {
            Metric::Nps => &nps::DEFINITION,
            Metric::Csat => &csat::DEFINITION,
            Metric::CesHighIsEasy => &ces::HIGH_IS_EASY,
            Metric::CesHighIsHard => &ces::HIGH_IS_HARD,
        }
    }

    /// Computes it.
    pub fn figure(self, answers: &Histogram) -> Figure {
        match self {
            Metric::Nps => nps::figure(answers),
            Metric::Csat => csat::figure(answers),
            Metric::CesHighIsEasy => ces::high_is_easy(answers),
            Metric::CesHighIsHard => ces::high_is_hard(answers),
        }
    }
}
