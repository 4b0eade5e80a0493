//! Rows of a file as purchases, one by one.

use std::io::Read;

use chrono_tz::Tz;

use super::purchase::Purchase;
use super::records::{BadRow, Broken, Record, Records};
use super::source::Format;
use super::when;
use crate::cli::AmountUnit;
use crate::money::{Currency, shortened};

/// What the columns are called and what their values mean.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) id_column: String,
    pub(crate) member_column: String,
    pub(crate) time_column: String,
    pub(crate) amount_column: String,
    pub(crate) amount_unit: AmountUnit,
    pub(crate) currency: Currency,
    pub(crate) zone: Tz,
}

/// The longest value that the services take as a key.
const KEY_CHARS_MAX: usize = 200;

/// Reads purchases.
pub(crate) struct Rows<R> {
    records: Records<R>,
    shape: Shape,
}

impl<R: Read> Rows<R> {
    /// Begins to read.
    pub(crate) fn open(inner: R, format: Format, shape: Shape) -> Result<Rows<R>, Broken> {
        let columns = [&shape.id_column, &shape.member_column, &shape.time_column, &shape.amount_column]
            .map(String::as_str);
        Ok(Rows { records: Records::open(inner, format, &columns)?, shape })
    }

    /// The next row; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Option<Result<Result<Purchase, BadRow>, Broken>> {
        let record = self.records.next()?;
        Some(record.map(|row| row.and_then(|record| self.purchase(&record))))
    }

    fn purchase(&self, record: &Record) -> Result<Purchase, BadRow> {
        let Shape { id_column, member_column, time_column, amount_column, currency, .. } = &self.shape;
        let id = key(record.get(0)).map_err(|reason| record.bad(id_column, reason))?;
        let member = key(record.get(1)).map_err(|reason| record.bad(member_column, reason))?;
        let occurred = when::parse(record.get(2), self.shape.zone);
        let occurred = occurred.map_err(|wrong| record.bad(time_column, wrong))?;
        let amount = match self.shape.amount_unit {
            AmountUnit::Minor => currency.minor(record.get(3)),
            AmountUnit::Major => currency.major(record.get(3)),
        };
        let amount = amount.map_err(|wrong| record.bad(amount_column, wrong))?;
        Ok(Purchase { line: record.line, id, member, occurred, amount })
    }
}

/// A key that must be there.
pub(super) fn key(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("the value is missing".to_owned());
    }
    if text.chars().nth(KEY_CHARS_MAX).is_some() {
        return Err(format!("`{}` is longer than {KEY_CHARS_MAX} characters", shortened(text)));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::money::text_of;

    fn shape() -> Shape {
        Shape {
            id_column: "basket_id".into(),
            member_column: "household_id".into(),
            time_column: "ts".into(),
            amount_column: "sales_cents".into(),
            amount_unit: AmountUnit::Minor,
            currency: Currency::parse("USD").unwrap(),
            zone: Tz::UTC,
        }
    }

    fn all(bytes: &[u8]) -> (Vec<Result<Purchase, BadRow>>, Option<String>) {
        let mut rows = match Rows::open(bytes, Format::Csv, shape()) {
            Ok(rows) => rows,
            Err(broken) => return (Vec::new(), Some(broken.to_string())),
        };
        let mut found = Vec::new();
        while let Some(row) = rows.next() {
            match row {
                Ok(row) => found.push(row),
                Err(broken) => return (found, Some(broken.to_string())),
            }
        }
        (found, None)
    }

    const HEADER: &str = "basket_id,household_id,store_id,ts,sales_cents\n";

    #[test]
    fn good_rows_around_bad_ones_are_read() {
        let text = format!(
            "\u{feff}{HEADER}1,7,0,2017-01-01T13:39:43,229\n2,7,0,2017-01-01T13:39:43,NaN\n\
             3,,0,2017-01-01T13:39:43,1\n4,7,0,soon,1\n5,7\n6,7,0,2017-01-01,-1\n\
             \"7\",\"7\n8\",0,2017-01-01,1\n\
             8,7,0,2017-01-01,99999999999999999999999\n9,7,0,2017-01-01,0\n"
        );
        let (rows, broken) = all(text.as_bytes());
        assert_eq!(broken, None);
        assert_eq!(rows.len(), 9);
        let first = rows[0].as_ref().unwrap();
        assert_eq!(
            (first.line, &*first.id, &*first.member, text_of(&first.amount)),
            (2, "1", "7", "2.29".into())
        );
        let bad: Vec<_> = rows.iter().filter_map(|row| row.as_ref().err()).collect();
        let places: Vec<_> = bad.iter().map(|bad| (bad.line, &*bad.column)).collect();
        let expected = [
            (3, "sales_cents"),
            (4, "household_id"),
            (5, "ts"),
            (6, ""),
            (7, "sales_cents"),
            (10, "sales_cents"),
        ];
        assert_eq!(places, expected);
        assert_eq!(bad[0].reason, "`NaN` is not a decimal number such as 12.50");
        assert_eq!(bad[3].reason, "the row has 2 column(s), the header 5");
        assert_eq!(rows[6].as_ref().unwrap().member, "7\n8");
        assert_eq!(rows[8].as_ref().unwrap().line, 11);
    }

    #[test]
    fn a_row_that_is_not_utf8_or_has_an_endless_key_is_one_bad_row() {
        let mut bytes = HEADER.as_bytes().to_vec();
        bytes.extend_from_slice(b"1,\xff\xfe,0,2017-01-01,1\n2,7,0,2017-01-01,1\n");
        bytes.extend_from_slice(format!("3,{},0,2017-01-01,1\n", "x".repeat(201)).as_bytes());
        let (rows, broken) = all(&bytes);
        assert_eq!(broken, None);
        assert_eq!(rows[0].as_ref().unwrap_err().reason, "the row is not UTF-8");
        assert!(rows[1].is_ok());
        assert!(rows[2].as_ref().unwrap_err().reason.ends_with("is longer than 200 characters"));
    }

    #[test]
    fn a_file_that_is_not_such_a_csv_says_what_it_is() {
        let told = |bytes: &[u8]| all(bytes).1.unwrap();
        assert_eq!(told(b""), "the file is empty: it has no header line");
        assert_eq!(told(b"\x7fELF\x00\x01,b\n1,2\n"), "the file is not CSV text: its header is binary");
        assert_eq!(told(b"\xff\xfea,b\n"), "the file is not CSV text: its header is not UTF-8");
        assert_eq!(
            told(b"basket,household_id,ts,sales_cents\n1,2,3,4\n"),
            "there is no column `basket_id`; the columns are basket, household_id, ts, sales_cents"
        );
        assert_eq!(told(b"basket_id,household_id,ts,sales_cents,ts\n"), "column `ts` occurs more than once");
    }

    #[test]
    fn a_quote_that_nobody_closes_is_found_before_memory_is_full() {
        let mut text = format!("{HEADER}1,7,0,2017-01-01,1\n2,\"7,0,2017-01-01,1\n");
        while text.len() < 3 << 20 {
            text.push_str("3,7,0,2017-01-01,1\n");
        }
        let (rows, broken) = all(text.as_bytes());
        assert_eq!(rows.len(), 1);
        assert!(broken.unwrap().contains("a row is longer than 1 MiB"));
    }

    #[test]
    fn a_truncated_gzip_gives_the_rows_before_its_end() {
        let mut text = HEADER.to_owned();
        for n in 0..20_000_u32 {
            text.push_str(&format!(
                "{n},{},0,2017-01-01,{}\n",
                n % 97,
                n.wrapping_mul(2_654_435_761) % 10_007
            ));
        }
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        let packed = encoder.finish().unwrap();
        let whole = all_unpacked(&packed);
        assert_eq!((whole.0.len(), whole.1), (20_000, None));
        let (rows, broken) = all_unpacked(&packed[..packed.len() / 2]);
        assert!(rows.len() > 1_000 && rows.len() < 20_000, "{}", rows.len());
        assert!(broken.unwrap().contains("the file ends too early"));
    }

    fn all_unpacked(packed: &[u8]) -> (Vec<Result<Purchase, BadRow>>, Option<String>) {
        let mut rows = Rows::open(flate2::read::MultiGzDecoder::new(packed), Format::Csv, shape()).unwrap();
        let mut found = Vec::new();
        loop {
            match rows.next() {
                None => return (found, None),
                Some(Ok(row)) => found.push(row),
                Some(Err(broken)) => return (found, Some(broken.to_string())),
            }
        }
    }
}
