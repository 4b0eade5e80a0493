//! Where exported rows go: standard output, or a file that is there once it is complete.

use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::rows::{Cell, Row};
use crate::cli::{ExportFormat, IntoArgs};

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 64 * 1024;

/// Writes rows.
pub(super) struct Rows {
    form: Form,
    columns: &'static [&'static str],
    exact: bool,
}

enum Form {
    Csv(Box<csv::Writer<Sink>>),
    Lines(Sink),
}

/// Takes bytes.
enum Sink {
    Out(BufWriter<Stdout>),
    /// A neighbour of the file, which gets its name in the end.
    File {
        beside: BufWriter<NamedTempFile>,
        path: PathBuf,
    },
}

impl Rows {
    /// Begins to write; a CSV begins with its columns.
    pub(super) fn open(into: &IntoArgs, columns: &'static [&'static str]) -> io::Result<Rows> {
        let sink = Sink::open(into.output.as_deref())?;
        let form = match into.format {
            ExportFormat::Jsonl => Form::Lines(sink),
            ExportFormat::Csv => {
                let mut writer =
                    csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(sink);
                writer.write_record(columns).map_err(io_of)?;
                Form::Csv(Box::new(writer))
            }
        };
        Ok(Rows { form, columns, exact: into.exact })
    }

    /// Adds a row.
    pub(super) fn write(&mut self, row: &Row) -> io::Result<()> {
        match &mut self.form {
            Form::Csv(writer) => {
                let cells = self.columns.iter().map(|column| match row.cell(column) {
                    Cell::Text(text) if !self.exact => guarded(text),
                    Cell::Text(text) | Cell::Said(text) => text,
                });
                writer.write_record(cells).map_err(io_of)
            }
            Form::Lines(sink) => {
                serde_json::to_writer(&mut *sink, row)?;
                sink.write_all(b"\n")
            }
        }
    }

    /// Ends it: a file is complete, and has its name.
    pub(super) fn finish(self) -> io::Result<()> {
        let sink = match self.form {
            Form::Csv(writer) => writer.into_inner().map_err(|error| error.into_error())?,
            Form::Lines(sink) => sink,
        };
        sink.finish()
    }
}

impl Sink {
    fn open(path: Option<&Path>) -> io::Result<Sink> {
        let Some(path) = path else {
            return Ok(Sink::Out(BufWriter::with_capacity(BUFFER_BYTES, io::stdout())));
        };
        // Through a link, what it leads to is replaced.
        let path = if path.exists() { path.canonicalize()? } else { path.to_owned() };
        if path.exists() && !path.is_file() {
            return Err(io::Error::other("it exists and is not a file"));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // Whoever finds it after a kill knows what it was.
        let beside = tempfile::Builder::new()
            .prefix(".rapport-export-")
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        Ok(Sink::File { beside: BufWriter::with_capacity(BUFFER_BYTES, beside), path })
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Sink::Out(mut out) => out.flush(),
            Sink::File { beside, path } => {
                let beside = beside.into_inner().map_err(io::IntoInnerError::into_error)?;
                beside.as_file().sync_all()?;
                beside.persist(path).map(drop).map_err(|error| error.error)
            }
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Out(out) => out.write(bytes),
            Sink::File { beside, .. } => beside.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Out(out) => out.flush(),
            Sink::File { beside, .. } => beside.flush(),
        }
    }
}

/// A text that a spreadsheet does not take for a formula.
fn guarded(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

fn io_of(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

#[cfg(test)]
mod tests {
    use proto::rapport::loyalty::v1 as pb;

    use super::super::columns;
    use super::*;
    use crate::cli::TargetArgs;

    fn into(file: &Path, format: ExportFormat, exact: bool) -> IntoArgs {
        let target = TargetArgs { target: String::new() };
        IntoArgs { program: "p".into(), format, output: Some(file.to_owned()), exact, target }
    }

    fn named(external_id: &str) -> Row {
        Row::of("Member", &pb::Member { external_id: external_id.into(), ..Default::default() }).unwrap()
    }

    fn written(format: ExportFormat, exact: bool, rows: &[Row]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rows");
        let mut writer = Rows::open(&into(&file, format, exact), &columns::MEMBER).unwrap();
        for row in rows {
            writer.write(row).unwrap();
        }
        assert!(!file.exists(), "it is not complete");
        writer.finish().unwrap();
        std::fs::read_to_string(&file).unwrap()
    }

    #[test]
    fn texts_come_back_from_a_csv() {
        let texts = ["a,b", "say \"x\"", "two\r\nlines", " x ", "🎉", "=1+1", "-5", "+4930", "@x", "'y"];
        let rows: Vec<Row> = texts.iter().map(|text| named(text)).collect();
        for exact in [true, false] {
            let csv = written(ExportFormat::Csv, exact, &rows);
            assert!(csv.starts_with("member_id,program_id,external_id,") && csv.ends_with("\r\n"));
            let mut reader = csv::Reader::from_reader(csv.as_bytes());
            let read: Vec<String> = reader.records().map(|row| row.unwrap()[2].to_owned()).collect();
            let formula = |text: &str| !exact && text.starts_with(['=', '-', '+', '@']);
            let expected = |text: &&str| if formula(text) { format!("'{text}") } else { (*text).to_owned() };
            assert_eq!(read, texts.iter().map(expected).collect::<Vec<_>>());
        }
        let lines = written(ExportFormat::Jsonl, false, &rows);
        let read = lines.lines().map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            row["external_id"].as_str().unwrap().to_owned()
        });
        assert_eq!(read.collect::<Vec<_>>(), texts);
    }

    #[test]
    fn a_file_that_is_not_complete_leaves_the_old_one_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rows.csv");
        std::fs::write(&file, "old").unwrap();
        let mut writer = Rows::open(&into(&file, ExportFormat::Csv, false), &columns::MEMBER).unwrap();
        writer.write(&named("x")).unwrap();
        drop(writer);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let folder = Rows::open(&into(dir.path(), ExportFormat::Csv, false), &columns::MEMBER);
        assert!(folder.is_err_and(|error| error.to_string() == "it exists and is not a file"));
    }
}
