//! The chart of a liability: above, what was left at the end of each month, as a line; below, what came (up)
//! and went (down) in it, stacked. Coordinates only: colours and words are the page's.

use serde::Serialize;

use super::shown::Month;
use crate::output::grouped;

/// Width and height of the whole, of the upper part, and what is left free beside them.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 460.0;
const LINE_HEIGHT: f64 = 170.0;
const GAP: f64 = 30.0;
const LEFT: f64 = 96.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 12.0;
/// Months that have a name below the chart, at most.
const NAMES_MAX: usize = 16;

/// A series: its class on the page, its name, and its part of a month.
type Series = (&'static str, &'static str, fn(&Month) -> i64);

/// What makes the liability grow, from the axis up.
const UP: [Series; 5] = [
    ("issued", "issued", |month| month.issued),
    ("refunded", "refunded", |month| month.refunded),
    ("reinstated", "reinstated", |month| month.reinstated),
    ("waived", "waived", |month| month.waived),
    ("adjusted", "adjusted", |month| month.adjusted.max(0)),
];
/// What makes it shrink, from the axis down.
const DOWN: [Series; 4] = [
    ("redeemed", "redeemed", |month| month.redeemed),
    ("expired", "expired", |month| month.expired),
    ("reversed", "reversed", |month| month.reversed),
    ("adjusted", "adjusted", |month| month.adjusted.saturating_neg().max(0)),
];

/// Everything that is drawn.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    width: f64,
    height: f64,
    left: f64,
    bars: Vec<Bar>,
    /// The points of the line, as SVG writes them.
    line: String,
    dots: Vec<Dot>,
    grid: Vec<Grid>,
    names: Vec<Name>,
    legend: Vec<(&'static str, &'static str)>,
}

#[derive(Debug, Serialize)]
struct Bar {
    class: &'static str,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    title: String,
}

#[derive(Debug, Serialize)]
struct Dot {
    x: f64,
    y: f64,
    title: String,
}

#[derive(Debug, Serialize)]
struct Grid {
    y: f64,
    text: String,
    is_axis: bool,
}

#[derive(Debug, Serialize)]
struct Name {
    x: f64,
    text: String,
}

/// From points to heights: `low` is at `bottom`, `high` at `top`.
#[derive(Clone, Copy)]
struct Scale {
    low: i64,
    high: i64,
    top: f64,
    bottom: f64,
}

impl Scale {
    /// Holds all values and 0.
    fn of(values: impl Iterator<Item = i64>, top: f64, bottom: f64) -> Scale {
        let (low, high) = values.fold((0, 0), |(low, high), value| (value.min(low), value.max(high)));
        Scale { low, high: if low == high { 1 } else { high }, top, bottom }
    }

    fn y(&self, value: i64) -> f64 {
        let span = self.high as f64 - self.low as f64;
        rounded(self.bottom - (value as f64 - self.low as f64) / span * (self.bottom - self.top))
    }

    fn grid(&self) -> impl Iterator<Item = Grid> {
        let mut values = vec![self.low, 0, self.high];
        values.dedup();
        let scale = *self;
        values.into_iter().map(move |value| Grid {
            y: scale.y(value),
            text: grouped(value),
            is_axis: value == 0,
        })
    }
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

impl Chart {
    pub(super) fn of(months: &[Month]) -> Chart {
        let step = (WIDTH - LEFT) / months.len().max(1) as f64;
        let middle = |at: usize| rounded(LEFT + step * (at as f64 + 0.5));
        let upper = Scale::of(months.iter().map(|month| month.closing), TOP, TOP + LINE_HEIGHT);
        let sum = |of: &[Series], month: &Month| {
            of.iter().fold(0_i64, |sum, (_, _, part)| sum.saturating_add(part(month)))
        };
        let ends = months.iter().flat_map(|month| [sum(&UP, month), sum(&DOWN, month).saturating_neg()]);
        let lower = Scale::of(ends, TOP + LINE_HEIGHT + GAP, HEIGHT - BOTTOM);
        let dot = |(at, month): (usize, &Month)| Dot {
            x: middle(at),
            y: upper.y(month.closing),
            title: format!("{}: {} left", month.month, grouped(month.closing)),
        };
        let dots: Vec<Dot> = months.iter().enumerate().map(dot).collect();
        let line: Vec<String> = dots.iter().map(|dot| format!("{},{}", dot.x, dot.y)).collect();
        let width = rounded((step * 0.7).min(48.0));
        let bars = months.iter().enumerate().flat_map(|(at, month)| {
            let x = rounded(middle(at) - width / 2.0);
            stack(&UP, month, 1, lower, (x, width)).into_iter().chain(stack(
                &DOWN,
                month,
                -1,
                lower,
                (x, width),
            ))
        });
        let every = months.len().div_ceil(NAMES_MAX).max(1);
        let named = months.iter().enumerate().step_by(every);
        let used = |series: &&Series| months.iter().any(|month| (series.2)(month) != 0);
        let mut legend: Vec<_> = UP.iter().chain(&DOWN).filter(used).map(|s| (s.0, s.1)).collect();
        legend.sort_by_key(|(class, _)| UP.iter().chain(&DOWN).position(|series| series.0 == *class));
        legend.dedup();
        Chart {
            width: WIDTH,
            height: HEIGHT,
            left: LEFT,
            bars: bars.collect(),
            line: line.join(" "),
            dots,
            grid: upper.grid().chain(lower.grid()).collect(),
            names: named.map(|(at, month)| Name { x: middle(at), text: month.month.clone() }).collect(),
            legend,
        }
    }
}

/// The bars of one month on one side of the axis.
fn stack(of: &[Series], month: &Month, sign: i64, scale: Scale, (x, width): (f64, f64)) -> Vec<Bar> {
    let mut from = 0_i64;
    let mut bars = Vec::new();
    for (class, name, part) in of {
        let points = part(month);
        let to = from.saturating_add(points.saturating_mul(sign));
        if points != 0 {
            let (a, b) = (scale.y(from), scale.y(to));
            let title = format!("{}: {} {name}", month.month, grouped(points));
            bars.push(Bar { class, x, y: a.min(b), width, height: rounded((a - b).abs()), title });
        }
        from = to;
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::super::shown::tests::shown;
    use super::*;

    #[test]
    fn bars_are_stacked_from_the_axis_and_fill_the_scale() {
        let chart = Chart::of(&shown().currencies[0].months);
        let told: Vec<(&str, f64)> = chart.bars.iter().map(|bar| (bar.class, bar.height)).collect();
        let total = HEIGHT - BOTTOM - (TOP + LINE_HEIGHT + GAP);
        // 1,500 up and 1,200 down are the whole height.
        let of = |points: f64| rounded(total * points / 2_700.0);
        let classes = ["issued", "redeemed", "adjusted", "expired"];
        assert_eq!(told.iter().map(|(class, _)| *class).collect::<Vec<_>>(), classes);
        for ((_, height), points) in told.iter().zip([1_500.0, 300.0, 20.0, 1_200.0]) {
            assert!((height - of(points)).abs() < 0.3, "{told:?}");
        }
        assert_eq!(chart.line.split(' ').count(), 2);
        assert_eq!(
            chart.legend.iter().map(|(_, name)| *name).collect::<Vec<_>>(),
            ["issued", "adjusted", "redeemed", "expired"]
        );
    }

    #[test]
    fn nothing_and_extremes_can_be_drawn() {
        Chart::of(&[]);
        Chart::of(&[Month::default()]);
        let month = Month { issued: i64::MAX, refunded: i64::MAX, expired: i64::MAX, ..Month::default() };
        let chart = Chart::of(&[Month { closing: i64::MIN, ..month }]);
        assert!(chart.bars.iter().all(|bar| bar.height.is_finite() && bar.y.is_finite()));
    }
}
