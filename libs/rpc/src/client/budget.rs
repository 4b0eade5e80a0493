//! How much repetition a server can bear: a token bucket (gRFC A6) that failures empty and successes fill
//! slowly, so that a server in trouble sees hardly more calls than its callers make.

use std::sync::atomic::{AtomicU32, Ordering};

/// In thousandths of a token.
const FULL: u32 = 10_000;
const COST_OF_FAILURE: u32 = 1_000;
const GAIN_OF_SUCCESS: u32 = 100;

#[derive(Debug)]
pub(crate) struct Budget {
    tokens: AtomicU32,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { tokens: AtomicU32::new(FULL) }
    }
}

impl Budget {
    pub(crate) fn succeeded(&self) {
        // A full bucket is the usual case, and then no cache line is written.
        if self.tokens.load(Ordering::Relaxed) < FULL {
            self.change(|tokens| (tokens + GAIN_OF_SUCCESS).min(FULL));
        }
    }

    /// Counts a failed attempt and says whether another one may be made.
    pub(crate) fn failed(&self) -> bool {
        self.change(|tokens| tokens.saturating_sub(COST_OF_FAILURE)) > FULL / 2
    }

    fn change(&self, change: impl Fn(u32) -> u32) -> u32 {
        let changed =
            self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| Some(change(tokens)));
        changed.map_or(0, change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_end_repetition_until_successes_pay_for_more() {
        let budget = Budget::default();
        assert_eq!(
            (0..6).map(|_| budget.failed()).collect::<Vec<_>>(),
            [true, true, true, true, false, false]
        );
        (0..30).for_each(|_| budget.succeeded());
        assert!(budget.failed());
        assert!(!budget.failed());
    }
}
