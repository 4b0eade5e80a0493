//! Satisfaction: the share of customers that gave one of the two best answers.

use super::figure::{Figure, share};
use super::histogram::Histogram;
use super::metric::Definition;

pub(super) const DEFINITION: Definition = Definition {
    id: "csat",
    version: 1,
    formula: "satisfied / answers, from 0 to 1; satisfied answer 4 or 5",
    scale: "1 to 5; 5 is most satisfied",
    interval: "Wilson",
};

/// The share of the answers 4 and 5, from 0 to 1 (top-2-box).
pub(super) fn figure(answers: &Histogram) -> Figure {
    share(answers, "satisfied", answers.between(4, 5))
}

#[cfg(test)]
mod tests {
    use super::super::figure::wilson;
    use super::*;

    #[test]
    fn the_interval_has_its_known_values() {
        for (good, n, low, high) in [(8, 10, 0.4902, 0.9433), (450, 500, 0.8706, 0.9233)] {
            let found = wilson(good, n).unwrap();
            assert!((found.low - low).abs() < 5e-5 && (found.high - high).abs() < 5e-5, "{found:?}");
        }
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn the_two_best_answers_count() {
        let mut answers = Histogram::default();
        for (answer, count) in [(1, 1), (3, 1), (4, 3), (5, 5)] {
            answers.add(answer, count);
        }
        let found = figure(&answers);
        assert_eq!((found.value, found.mean), (Some(0.8), Some(4.1)));
        assert_eq!((&found.numerators[..], found.denominator), (&[("satisfied", 8)][..], 10));
    }
}
