//! Windows of time, cut so that whole days and hours come from counts and only the edges from single answers.

use ambient::Time;

const HOUR_MICROS: i64 = 3_600_000_000;
const DAY_HOURS: i64 = 24;
const WINDOW_DAYS_MAX: i64 = 3_653;

/// From a moment up to, and without, another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    start: Time,
    end: Time,
}

/// Why two moments are no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowFlaw {
    /// The end does not lie after the start.
    Empty,
    /// It is longer than 3653 days.
    TooLong,
}

/// From a number up to, and without, another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Microseconds since 1970.
    Micros(i64, i64),
    /// Hours since 1970.
    Hours(i64, i64),
    /// Days of UTC since 1970.
    Days(i64, i64),
}

impl Window {
    /// The window between two moments.
    ///
    /// # Errors
    /// That they are none.
    pub fn try_new(start: Time, end: Time) -> Result<Window, WindowFlaw> {
        if end <= start {
            return Err(WindowFlaw::Empty);
        }
        let length = end.micros().saturating_sub(start.micros());
        if length > WINDOW_DAYS_MAX * DAY_HOURS * HOUR_MICROS {
            return Err(WindowFlaw::TooLong);
        }
        Ok(Window { start, end })
    }

    /// When it begins.
    pub fn start(&self) -> Time {
        self.start
    }

    /// When it has ended.
    pub fn end(&self) -> Time {
        self.end
    }

    /// Spans that together are the window, no two of which overlap: at most one of days, two of hours and
    /// two of microseconds, each of these shorter than two hours.
    pub fn spans(&self) -> Vec<Span> {
        let (start, end) = (self.start.micros(), self.end.micros());
        let (first_hour, last_hour) = (ceil(start, HOUR_MICROS), end.div_euclid(HOUR_MICROS));
        if first_hour >= last_hour {
            return vec![Span::Micros(start, end)];
        }
        let mut spans = Vec::with_capacity(5);
        spans.push(Span::Micros(start, first_hour * HOUR_MICROS));
        let (first_day, last_day) = (ceil(first_hour, DAY_HOURS), last_hour.div_euclid(DAY_HOURS));
        if first_day < last_day {
            spans.push(Span::Hours(first_hour, first_day * DAY_HOURS));
            spans.push(Span::Days(first_day, last_day));
            spans.push(Span::Hours(last_day * DAY_HOURS, last_hour));
        } else {
            spans.push(Span::Hours(first_hour, last_hour));
        }
        spans.push(Span::Micros(last_hour * HOUR_MICROS, end));
        spans.retain(|span| !span.is_empty());
        spans
    }
}

impl Span {
    fn is_empty(self) -> bool {
        let (Span::Micros(from, to) | Span::Hours(from, to) | Span::Days(from, to)) = self;
        from >= to
    }
}

/// The hour since 1970 that a moment lies in.
pub(super) fn hour_of(time: Time) -> i64 {
    time.micros().div_euclid(HOUR_MICROS)
}

fn ceil(number: i64, unit: i64) -> i64 {
    number.div_euclid(unit) + i64::from(number.rem_euclid(unit) != 0)
}

impl super::Observation {
    /// The hour since 1970 that it lies in.
    pub fn hour(&self) -> i64 {
        hour_of(self.time)
    }

    /// The day of UTC since 1970 that it lies in.
    pub fn day(&self) -> i64 {
        hour_of(self.time).div_euclid(DAY_HOURS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(start: i64, end: i64) -> Result<Window, WindowFlaw> {
        Window::try_new(Time::from_micros(start), Time::from_micros(end))
    }

    fn micros(span: Span) -> (i64, i64) {
        match span {
            Span::Micros(from, to) => (from, to),
            Span::Hours(from, to) => (from * HOUR_MICROS, to * HOUR_MICROS),
            Span::Days(from, to) => (from * DAY_HOURS * HOUR_MICROS, to * DAY_HOURS * HOUR_MICROS),
        }
    }

    proptest! {
        #[test]
        fn spans_cover_the_window_once(start in -4_000_000..4_000_000_i64, length in 1..4_000_000_i64,
            unit in prop::sample::select(vec![1, 60_000_000, HOUR_MICROS / 4, HOUR_MICROS, 1_000_003])) {
            let length = (length * unit).min(WINDOW_DAYS_MAX * DAY_HOURS * HOUR_MICROS);
            let (start, end) = (start * unit, start * unit + length);
            let mut pieces: Vec<_> = window(start, end).unwrap().spans().into_iter().map(micros).collect();
            pieces.sort_unstable();
            let mut at = start;
            for (from, to) in pieces {
                prop_assert!(from == at && to > from);
                at = to;
            }
            prop_assert_eq!(at, end);
        }

        #[test]
        fn no_edge_is_longer_than_two_hours(start in any::<i32>(), length in 1..400_000_000_i64) {
            let start = i64::from(start) * 1_000;
            for span in window(start, start + length * 1_000).unwrap().spans() {
                if let Span::Micros(from, to) = span {
                    prop_assert!(to - from < 2 * HOUR_MICROS);
                }
            }
        }
    }

    #[test]
    fn whole_days_need_no_edges() {
        let day = DAY_HOURS * HOUR_MICROS;
        assert_eq!(window(-2 * day, 3 * day).unwrap().spans(), [Span::Days(-2, 3)]);
        assert_eq!(window(HOUR_MICROS, 2 * HOUR_MICROS).unwrap().spans(), [Span::Hours(1, 2)]);
    }

    #[test]
    fn what_is_no_window_is_told() {
        let longest = WINDOW_DAYS_MAX * DAY_HOURS * HOUR_MICROS;
        assert_eq!(window(5, 5), Err(WindowFlaw::Empty));
        assert_eq!(window(0, longest + 1), Err(WindowFlaw::TooLong));
        assert!(window(0, longest).is_ok());
    }
}
