//! Rows of a file as values by column, one by one, from CSV with a header or from JSON lines: a bad row is a
//! value with its line, column and reason, and only a file that cannot be read any further is an error.

use std::io::{BufRead as _, BufReader, Read};

use csv::{ErrorKind, Position, StringRecord};
use serde_json::{Map, Value};

use super::source::{Bounded, Format, Meter, RowTooLong};
use crate::money::shortened;

/// Why a row was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRow {
    pub(crate) line: u64,
    /// Empty if the row as a whole is wrong.
    pub(crate) column: String,
    pub(crate) reason: String,
}

/// Why a file cannot be read, or not any further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the file is empty: it has no header line")]
    Empty,
    #[error("the file is not CSV text: {0}")]
    NotCsv(&'static str),
    #[error("there is no column `{name}`; the columns are {there}")]
    NoColumn { name: String, there: String },
    #[error("column `{0}` occurs more than once")]
    TwoColumns(String),
    #[error("line {line}: a row is longer than 1 MiB; is a quote not closed?")]
    RowTooLong { line: u64 },
    #[error("the file ends too early, after line {line}: it was cut off while compressed; fetch it again")]
    CutOff { line: u64 },
    #[error("the file cannot be read beyond line {line}: {error}")]
    Unreadable { line: u64, error: String },
}

/// A row: the values of the columns that were asked for, trimmed.
#[derive(Debug)]
pub(crate) struct Record {
    /// Where it stands in its file, from 1.
    pub(crate) line: u64,
    values: Vec<String>,
}

/// Reads rows.
pub(crate) struct Records<R> {
    rows: Rows<R>,
    meter: Meter,
    columns: Vec<String>,
    /// The first line of the last row read.
    line: u64,
}

enum Rows<R> {
    Csv { reader: csv::Reader<Bounded<R>>, places: Vec<usize>, record: StringRecord },
    JsonLines { reader: BufReader<Bounded<R>>, text: Vec<u8> },
}

/// A row, a bad row, or why there is no next one.
type Next<T> = Option<Result<Result<T, BadRow>, Broken>>;

impl<R: Read> Records<R> {
    /// Begins to read these columns.
    pub(crate) fn open(inner: R, format: Format, columns: &[&str]) -> Result<Records<R>, Broken> {
        let meter = Meter::default();
        let bounded = Bounded { inner, meter: meter.clone() };
        let (rows, line) = match format {
            Format::Csv => {
                let mut reader = csv::Reader::from_reader(bounded);
                let places = places(&mut reader, columns)?;
                (Rows::Csv { reader, places, record: StringRecord::new() }, 1)
            }
            Format::JsonLines => (Rows::JsonLines { reader: BufReader::new(bounded), text: Vec::new() }, 0),
        };
        meter.row_ends();
        Ok(Records { rows, meter, columns: columns.iter().map(|c| (*c).to_owned()).collect(), line })
    }

    /// The next row; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Next<Record> {
        match &mut self.rows {
            Rows::Csv { .. } => self.next_csv(),
            Rows::JsonLines { .. } => self.next_json(),
        }
    }

    fn next_csv(&mut self) -> Next<Record> {
        let Rows::Csv { reader, places, record } = &mut self.rows else { return None };
        let read = reader.read_record(record);
        self.meter.row_ends();
        match read {
            Ok(false) => None,
            Ok(true) => {
                self.line = record.position().map_or(self.line, Position::line);
                let value = |place: &usize| record.get(*place).unwrap_or("").trim().to_owned();
                Some(Ok(Ok(Record { line: self.line, values: places.iter().map(value).collect() })))
            }
            Err(error) => {
                self.line = error.position().map_or(self.line, Position::line);
                match whole_row(&error, self.line) {
                    Some(bad) => Some(Ok(Err(bad))),
                    None => Some(Err(broken(&error, self.line))),
                }
            }
        }
    }

    fn next_json(&mut self) -> Next<Record> {
        let Rows::JsonLines { reader, text } = &mut self.rows else { return None };
        loop {
            text.clear();
            let read = reader.read_until(b'\n', text);
            self.meter.row_ends();
            self.line += 1;
            match read {
                Ok(0) => return None,
                Ok(_) if text.iter().all(u8::is_ascii_whitespace) => {}
                Ok(_) => break,
                Err(error) => return Some(Err(unreadable(&error, self.line))),
            }
        }
        let bad = |column: &str, reason: &str| {
            Some(Ok(Err(BadRow { line: self.line, column: column.to_owned(), reason: reason.to_owned() })))
        };
        let Ok(object) = serde_json::from_slice::<Map<String, Value>>(text) else {
            return bad("", "the line is not a JSON object");
        };
        let mut values = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            values.push(match object.get(column) {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.trim().to_owned(),
                Some(Value::Number(number)) => number.to_string(),
                Some(Value::Bool(value)) => value.to_string(),
                Some(Value::Array(_) | Value::Object(_)) => {
                    return bad(column, "the value is not a text, a number, true, false or null");
                }
            });
        }
        Some(Ok(Ok(Record { line: self.line, values })))
    }
}

impl Record {
    /// The value of the column that was asked for in this place; empty if there is none.
    pub(crate) fn get(&self, place: usize) -> &str {
        self.values.get(place).map_or("", String::as_str)
    }

    /// What is wrong with a column of it.
    pub(crate) fn bad(&self, column: &str, reason: impl ToString) -> BadRow {
        BadRow { line: self.line, column: column.to_owned(), reason: reason.to_string() }
    }
}

fn places<R: Read>(reader: &mut csv::Reader<Bounded<R>>, columns: &[&str]) -> Result<Vec<usize>, Broken> {
    let header = reader.byte_headers().map_err(|error| broken(&error, 1))?;
    if header.is_empty() {
        return Err(Broken::Empty);
    }
    if header.iter().any(|name| name.contains(&0)) {
        return Err(Broken::NotCsv("its header is binary"));
    }
    let header = StringRecord::from_byte_record(header.clone())
        .map_err(|_| Broken::NotCsv("its header is not UTF-8"))?;
    columns.iter().map(|name| place_of(&header, name)).collect()
}

fn place_of(header: &StringRecord, name: &str) -> Result<usize, Broken> {
    let mut places = header.iter().enumerate().filter(|(_, column)| column.trim() == name);
    match (places.next(), places.next()) {
        (Some((place, _)), None) => Ok(place),
        (Some(_), Some(_)) => Err(Broken::TwoColumns(name.to_owned())),
        (None, _) => {
            let there: Vec<_> = header.iter().map(|column| shortened(column.trim())).collect();
            Err(Broken::NoColumn { name: name.to_owned(), there: there.join(", ") })
        }
    }
}

/// Errors that spoil one row and leave the next one readable.
fn whole_row(error: &csv::Error, line: u64) -> Option<BadRow> {
    let reason = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the row has {len} column(s), the header {expected_len}")
        }
        ErrorKind::Utf8 { .. } => "the row is not UTF-8".to_owned(),
        _ => return None,
    };
    Some(BadRow { line, column: String::new(), reason })
}

fn broken(error: &csv::Error, line: u64) -> Broken {
    match error.kind() {
        ErrorKind::Io(io) => unreadable(io, line),
        _ => Broken::Unreadable { line, error: error.to_string() },
    }
}

fn unreadable(error: &std::io::Error, line: u64) -> Broken {
    if error.get_ref().is_some_and(|inner| inner.is::<RowTooLong>()) {
        return Broken::RowTooLong { line };
    }
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Broken::CutOff { line },
        _ => Broken::Unreadable { line, error: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &[u8]) -> (Vec<String>, Option<String>) {
        let mut records = Records::open(text, Format::JsonLines, &["id", "n"]).unwrap();
        let mut found = Vec::new();
        loop {
            match records.next() {
                None => return (found, None),
                Some(Ok(Ok(row))) => found.push(format!("{} {} {}", row.line, row.get(0), row.get(1))),
                Some(Ok(Err(bad))) => found.push(format!("{} {} {}", bad.line, bad.column, bad.reason)),
                Some(Err(broken)) => return (found, Some(broken.to_string())),
            }
        }
    }

    #[test]
    fn json_lines_are_read_by_name_around_bad_ones() {
        let text = concat!(
            r#"{"id":" a ","n":3,"more":[]}"#,
            "\n\n[1]\n",
            r#"{"id":null}"#,
            "\nnonsense\n",
            r#"{"n":{}}"#,
            "\n",
            r#"{"id":true}"#,
        )
        .as_bytes();
        let expected = [
            "1 a 3",
            "3  the line is not a JSON object",
            "4  ",
            "5  the line is not a JSON object",
            "6 n the value is not a text, a number, true, false or null",
            "7 true ",
        ];
        assert_eq!(told(text), (expected.map(str::to_owned).to_vec(), None));
    }

    #[test]
    fn a_line_without_an_end_is_found_before_memory_is_full() {
        let mut text = b"{\"id\":1}\n{\"id\":\"".to_vec();
        text.resize(3 << 20, b'x');
        let (found, broken) = told(&text);
        assert_eq!(found, ["1 1 "]);
        assert!(broken.unwrap().contains("a row is longer than 1 MiB"));
    }
}
