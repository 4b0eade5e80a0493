//! A number and how sure it is.

use super::histogram::Histogram;

/// The 97.5 % quantile of the standard normal distribution: 95 % lie between its negative and itself.
pub const Z: f64 = 1.959963984540054;

/// Where the true value lies with 95 % confidence, in the units of the value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// A number with what it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The number; none without answers.
    pub value: Option<f64>,
    /// Its interval; none without answers.
    pub interval: Option<Interval>,
    /// The mean of the answers in units of their scale; none without answers.
    pub mean: Option<f64>,
    /// Counts above the line, by name.
    pub numerators: Vec<(&'static str, i64)>,
    /// The count below the line.
    pub denominator: i64,
}

/// The share of answers that count as good, from 0 to 1, with its Wilson interval.
pub(super) fn share(answers: &Histogram, name: &'static str, good: i64) -> Figure {
    let n = answers.total();
    Figure {
        value: (n > 0).then(|| good as f64 / n as f64),
        interval: wilson(good, n),
        mean: answers.mean(),
        numerators: vec![(name, good)],
        denominator: n,
    }
}

/// Wilson's score interval of a share, 95 % (E. B. Wilson, "Probable inference, the law of succession, and
/// statistical inference", JASA 22, 1927): with p = good/n, (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) /
/// (1 + z^2/n), from 0 to 1. None without answers.
pub(super) fn wilson(good: i64, n: i64) -> Option<Interval> {
    if n <= 0 {
        return None;
    }
    let (n, p) = (n as f64, good as f64 / n as f64);
    let z2 = Z * Z;
    let scale = 1.0 + z2 / n;
    let centre = (p + z2 / (2.0 * n)) / scale;
    let half = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / scale;
    Some(Interval { low: (centre - half).max(0.0), high: (centre + half).min(1.0) })
}
