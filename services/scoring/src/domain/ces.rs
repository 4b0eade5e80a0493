//! Effort: the share of customers to whom it was easy. The two directions of the scale are two metrics.

use super::figure::{Figure, share};
use super::histogram::Histogram;
use super::metric::Definition;

pub(super) const HIGH_IS_EASY: Definition = Definition {
    id: "ces_high_is_easy",
    version: 1,
    formula: "easy / answers, from 0 to 1; easy answer 5 to 7",
    scale: "1 to 7; 7 is easiest",
    interval: "Wilson",
};

pub(super) const HIGH_IS_HARD: Definition = Definition {
    id: "ces_high_is_hard",
    version: 1,
    formula: "easy / answers, from 0 to 1; easy answer 1 to 3",
    scale: "1 to 7; 1 is easiest",
    interval: "Wilson",
};

/// The share of the answers 5 to 7, from 0 to 1.
pub(super) fn high_is_easy(answers: &Histogram) -> Figure {
    share(answers, "easy", answers.between(5, 7))
}

/// The share of the answers 1 to 3, from 0 to 1: the mirror image.
pub(super) fn high_is_hard(answers: &Histogram) -> Figure {
    share(answers, "easy", answers.between(1, 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirrored_scale_gives_the_same_share() {
        let (mut easy, mut hard) = (Histogram::default(), Histogram::default());
        for (answer, count) in [(1, 2), (3, 1), (4, 4), (5, 1), (7, 2)] {
            easy.add(answer, count);
            hard.add(8 - answer, count);
        }
        easy.add(6, 6);
        hard.add(2, 6);
        let (easy, hard) = (high_is_easy(&easy), high_is_hard(&hard));
        assert_eq!(easy.value, Some(9.0 / 16.0));
        assert_eq!((easy.value, easy.interval), (hard.value, hard.interval));
        assert_eq!(easy.mean.map(|m| 8.0 - m), hard.mean);
    }
}
