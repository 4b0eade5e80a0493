//! Where exported rows go: standard output, or a file that is there once it is complete.

use std::io::{self, BufWriter, Stdout, Write};

use super::rows::{Cell, Row};
use crate::cli::{ExportFormat, IntoArgs};
use crate::new_file::NewFile;

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

/// Takes bytes, many at once.
type Sink = BufWriter<Target>;

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 64 * 1024;

enum Target {
    Out(Stdout),
    File(NewFile),
}

impl Rows {
    /// Begins to write; a CSV begins with its columns.
    pub(super) fn open(into: &IntoArgs, columns: &'static [&'static str]) -> io::Result<Rows> {
        let target = match &into.output {
            None => Target::Out(io::stdout()),
            Some(path) => Target::File(NewFile::create(path)?),
        };
        let sink = Sink::with_capacity(BUFFER_BYTES, target);
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
        match sink.into_inner().map_err(io::IntoInnerError::into_error)? {
            Target::Out(mut out) => out.flush(),
            Target::File(file) => file.finish(),
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::Out(out) => out.write(bytes),
            Target::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::Out(out) => out.flush(),
            Target::File(file) => file.flush(),
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
    use std::path::Path;

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
}
