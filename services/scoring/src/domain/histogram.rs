//! How often each answer was given, as integers: sums of parts are exact in any order.

/// Answers of all scales fit: 0 to 10.
pub const BINS: usize = 11;

/// One count for each answer from 0 to 10.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    bins: [i64; BINS],
}

impl Histogram {
    /// The histogram with these counts, for the answers from 0 on.
    pub fn new(bins: [i64; BINS]) -> Histogram {
        Histogram { bins }
    }

    /// Its counts, for the answers from 0 on.
    pub fn bins(&self) -> &[i64; BINS] {
        &self.bins
    }

    /// Counts an answer `count` times. One outside of 0 to 10 is not on any scale and changes nothing.
    pub fn add(&mut self, answer: i32, count: i64) {
        let bin = usize::try_from(answer).ok().and_then(|bin| self.bins.get_mut(bin));
        if let Some(bin) = bin {
            *bin = bin.saturating_add(count);
        }
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: &Histogram) {
        for (bin, more) in self.bins.iter_mut().zip(other.bins) {
            *bin = bin.saturating_add(more);
        }
    }

    /// How many answers from `first` to `last`, both included.
    pub fn between(&self, first: usize, last: usize) -> i64 {
        self.bins.iter().take(last + 1).skip(first).sum()
    }

    /// How many answers.
    pub fn total(&self) -> i64 {
        self.between(0, BINS - 1)
    }

    /// Answers with their counts, from the lowest; those never given are left out.
    pub fn given(&self) -> impl Iterator<Item = (i32, i64)> {
        (0..).zip(self.bins).filter(|(_, count)| *count != 0)
    }

    /// The mean answer, in units of the scale; none without answers.
    pub fn mean(&self) -> Option<f64> {
        let n = self.total();
        let sum: i64 = self.given().map(|(answer, count)| i64::from(answer).saturating_mul(count)).sum();
        (n > 0).then(|| sum as f64 / n as f64)
    }
}

/// What was counted of one metric in one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The answers on its scale.
    pub answers: Histogram,
    /// Submissions that were closed without an answer.
    pub dismissed: i64,
}
