//! How far an import is: a bar on a terminal, and the first refused rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::money::shortened;
use crate::output;

/// Refused rows that are shown one by one; all are counted.
const SHOWN_MAX: u64 = 20;

/// Progress of one import; draws nothing unless standard error is a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    /// Bytes of the file that were read; none where the bar counts rows.
    bytes: Option<Arc<AtomicU64>>,
    rows: AtomicU64,
    refused: AtomicU64,
}

impl Progress {
    /// A bar over a file of `total` bytes, of which `read` have been read.
    pub(crate) fn of_file(total: u64, read: Arc<AtomicU64>) -> Progress {
        Progress::new(total, Some(read), "{bar:30} {percent:>3}% {msg} {elapsed} (about {eta} left)")
    }

    /// A bar over as many rows.
    pub(crate) fn of_rows(total: u64) -> Progress {
        Progress::new(total, None, "{bar:30} {percent:>3}% {msg} {elapsed}")
    }

    /// Draws and tells nothing.
    pub(crate) fn silent() -> Progress {
        let mut silent = Progress::of_rows(0);
        silent.bar = ProgressBar::hidden();
        silent.refused = AtomicU64::new(SHOWN_MAX + 1);
        silent
    }

    fn new(total: u64, bytes: Option<Arc<AtomicU64>>, template: &str) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Progress { bar, bytes, rows: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    /// Counts rows that were answered.
    pub(crate) fn answered(&self, rows: usize) {
        let rows = self.rows.fetch_add(rows as u64, Ordering::Relaxed) + rows as u64;
        self.bar.set_message(format!("{} rows", output::grouped(i64::try_from(rows).unwrap_or(i64::MAX))));
        self.bar.set_position(self.bytes.as_ref().map_or(rows, |bytes| bytes.load(Ordering::Relaxed)));
    }

    /// Tells of a row that was not taken; an empty column means the whole row.
    pub(crate) fn refused(&self, line: u64, column: &str, reason: &str) {
        let told = self.refused.fetch_add(1, Ordering::Relaxed);
        if told > SHOWN_MAX {
            return;
        }
        self.bar.suspend(|| match column {
            _ if told == SHOWN_MAX => output::note("more rows were refused; they are counted, not shown"),
            "" => output::note(&format!("line {line}: {reason}")),
            column => output::note(&format!("line {line}, column {}: {reason}", shortened(column))),
        });
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
