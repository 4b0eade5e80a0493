//! What an import did, in numbers.

use std::time::Duration;

use serde::Serialize;

use crate::output::grouped;

/// Rows by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tally {
    /// Rows of the file.
    pub(crate) read: i64,
    /// Recorded now.
    pub(crate) accepted: i64,
    /// Recorded by an earlier import.
    pub(crate) replayed: i64,
    /// Not recorded: bad rows, and what the service refused.
    pub(crate) refused: i64,
    /// Points of all accepted and replayed rows.
    pub(crate) points: i64,
    /// Accepted and replayed rows that earned nothing.
    pub(crate) without_points: i64,
}

impl Tally {
    pub(crate) fn plus(&self, other: &Tally) -> Tally {
        Tally {
            read: self.read + other.read,
            accepted: self.accepted + other.accepted,
            replayed: self.replayed + other.replayed,
            refused: self.refused + other.refused,
            points: self.points.saturating_add(other.points),
            without_points: self.without_points + other.without_points,
        }
    }
}

/// What is printed.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    #[serde(flatten)]
    tally: Tally,
    /// False if the file could not be read to its end.
    complete: bool,
    seconds: f64,
}

impl Summary {
    pub(crate) fn of(tally: Tally, complete: bool, elapsed: Duration) -> Summary {
        Summary { tally, complete, seconds: (elapsed.as_secs_f64() * 1_000.0).round() / 1_000.0 }
    }

    pub(crate) fn refused(&self) -> i64 {
        self.tally.refused
    }

    pub(crate) fn text(&self) -> String {
        let Tally { read, accepted, replayed, refused, points, without_points } = self.tally;
        format!(
            "rows read        {:>14}\naccepted         {:>14}\nreplayed         {:>14}\n\
             refused          {:>14}\npoints           {:>14}\nwithout points   {:>14}\n\
             seconds          {:>14.1}\n",
            grouped(read),
            grouped(accepted),
            grouped(replayed),
            grouped(refused),
            grouped(points),
            grouped(without_points),
            self.seconds
        )
    }
}
