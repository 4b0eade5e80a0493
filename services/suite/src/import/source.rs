//! The bytes of a file, unpacked if they are gzip, with a bound on what one row may take.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use crate::Failure;

/// No row is longer than this; what is, has a quote that nobody closed.
pub(crate) const ROW_BYTES_MAX: u64 = 1 << 20;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BUFFER: usize = 1 << 16;

/// How rows stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// CSV with a header line.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// A file that is being read.
pub(crate) struct Source {
    pub(crate) format: Format,
    pub(crate) reader: Box<dyn Read + Send>,
    /// Bytes of the file read so far, before unpacking.
    pub(crate) progress: Arc<AtomicU64>,
    /// Bytes of the file.
    pub(crate) bytes: u64,
}

/// Opens a file; gzip is known by its first two bytes, JSON lines by the name: `.jsonl` or `.ndjson`.
pub(crate) fn open(path: &Path) -> Result<Source, Failure> {
    let refused = |what: &str| Failure::failed(format!("{} {what}", path.display()));
    let file = File::open(path).map_err(|error| refused(&format!("cannot be opened: {error}")))?;
    let metadata = file.metadata().map_err(|error| refused(&format!("cannot be read: {error}")))?;
    if metadata.is_dir() {
        return Err(refused("is a directory, not a file"));
    }
    let named_gzip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    let progress = Arc::new(AtomicU64::new(0));
    let counted = Counted { inner: file, count: progress.clone() };
    let mut buffered = BufReader::with_capacity(BUFFER, counted);
    let start = buffered.fill_buf().map_err(|error| refused(&format!("cannot be read: {error}")))?;
    let is_gzip = start.starts_with(&GZIP_MAGIC);
    if named_gzip && !is_gzip {
        return Err(refused("is named .gz but is not compressed with gzip"));
    }
    let bare = if named_gzip { path.with_extension("") } else { path.to_owned() };
    let extension = bare.extension().unwrap_or_default().to_ascii_lowercase();
    let format = if extension == "jsonl" || extension == "ndjson" { Format::JsonLines } else { Format::Csv };
    Ok(Source { format, reader: unpacked(buffered, is_gzip), progress, bytes: metadata.len() })
}

/// Bytes that the executable carries.
pub(crate) fn embedded(gzip: &'static [u8]) -> Box<dyn Read + Send> {
    unpacked(gzip, true)
}

fn unpacked(reader: impl Read + Send + 'static, is_gzip: bool) -> Box<dyn Read + Send> {
    match is_gzip {
        true => Box::new(MultiGzDecoder::new(reader)),
        false => Box::new(reader),
    }
}

/// Counts what passes.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Refuses to pass more than [`ROW_BYTES_MAX`] bytes without [`Meter::row_ends`].
pub(crate) struct Bounded<R> {
    pub(crate) inner: R,
    pub(crate) meter: Meter,
}

/// Bytes since the last row ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<AtomicU64>);

impl Meter {
    pub(crate) fn row_ends(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// The error of a row that has no end.
#[derive(Debug, thiserror::Error)]
#[error("a row is longer than 1 MiB; is a quote not closed?")]
pub(crate) struct RowTooLong;

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.meter.0.load(Ordering::Relaxed) > ROW_BYTES_MAX {
            return Err(io::Error::other(RowTooLong));
        }
        let read = self.inner.read(buffer)?;
        self.meter.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
