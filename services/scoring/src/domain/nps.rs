//! Net promoter score: how many more would recommend than would not.

use super::figure::{Figure, Interval, Z};
use super::histogram::Histogram;
use super::metric::Definition;

pub(super) const DEFINITION: Definition = Definition {
    id: "nps",
    version: 1,
    formula: "100 x (promoters - detractors) / answers; promoters answer 9 or 10, detractors 0 to 6",
    scale: "0 to 10; 10 is most likely to recommend",
    interval: "adjusted Wald: 3/4 added to promoters and to detractors, 3 to the answers; clipped",
};

/// 100 (p+ - p-), from -100 to 100 (F. Reichheld, "The one number you need to grow", 2003).
pub(super) fn figure(answers: &Histogram) -> Figure {
    let (promoters, detractors, n) = (answers.between(9, 10), answers.between(0, 6), answers.total());
    Figure {
        value: (n > 0).then(|| 100.0 * promoters.saturating_sub(detractors) as f64 / n as f64),
        interval: interval(promoters, detractors, n),
        mean: answers.mean(),
        numerators: vec![("promoters", promoters), ("detractors", detractors)],
        denominator: n,
    }
}

/// The adjusted Wald interval, 95 %, of a difference of two shares of the same answers (J. Sauro and J.
/// Lewis, "Quantifying the User Experience", after A. Agresti and Y. Min, 2005): with
/// p = (promoters + 3/4)/(n + 3) and d = (detractors + 3/4)/(n + 3),
/// (p - d) +- z sqrt((p + d - (p - d)^2)/(n + 3)), times 100 and clipped to -100 to 100.
/// None without answers.
fn interval(promoters: i64, detractors: i64, n: i64) -> Option<Interval> {
    if n <= 0 {
        return None;
    }
    let n = n as f64 + 3.0;
    let (p, d) = ((promoters as f64 + 0.75) / n, (detractors as f64 + 0.75) / n);
    let centre = p - d;
    let half = Z * ((p + d - centre * centre) / n).sqrt();
    Some(Interval { low: (100.0 * (centre - half)).max(-100.0), high: (100.0 * (centre + half)).min(100.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(promoters: i64, passives: i64, detractors: i64) -> Histogram {
        let mut answers = Histogram::default();
        // Both ends of each class, so that a shifted boundary shows.
        for (first, last, count) in [(9, 10, promoters), (7, 8, passives), (0, 6, detractors)] {
            answers.add(first, count / 2);
            answers.add(last, count - count / 2);
        }
        answers
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 0.005
    }

    #[test]
    fn the_score_and_its_interval_have_their_known_values() {
        let figure = figure(&answers(200, 150, 150));
        let interval = figure.interval.unwrap();
        assert_eq!(figure.value, Some(10.0));
        assert!(close(interval.low, 2.69) && close(interval.high, 17.19), "{interval:?}");
        assert_eq!(figure.numerators, [("promoters", 200), ("detractors", 150)]);
        assert_eq!(figure.denominator, 500);
    }

    #[test]
    fn a_small_number_of_answers_is_drawn_to_the_middle_and_clipped() {
        let wide = interval(5, 0, 5).unwrap();
        // The centre is 62.5: from it to the lower end it is as far as to the end that was clipped.
        let half = 100.0 * Z * ((5.75 / 8.0 + 0.75 / 8.0 - 0.625_f64 * 0.625) / 8.0).sqrt();
        assert!(close(wide.low, 62.5 - half), "{wide:?}");
        assert_eq!(wide.high, 100.0);
        let mirrored = interval(0, 5, 5).unwrap();
        assert_eq!((mirrored.low, mirrored.high), (-100.0, -wide.low));
    }

    #[test]
    fn no_answers_are_no_value() {
        let none = figure(&Histogram::default());
        assert_eq!((none.value, none.interval, none.mean, none.denominator), (None, None, None, 0));
    }
}
