//! Statements over many rows whose text does not depend on how many, so that it stays prepared.
//!
//! PostgreSQL gets one array per column; SQLite gets chunks of 64, 16, 4 and 1 rows.

use std::fmt::Write;

use sea_orm::sea_query::ArrayType;
use sea_orm::{
    ConnectionTrait, DbBackend, EntityTrait, IdenStatic, Iterable, ModelTrait, PrimaryKeyToColumn, Statement,
    Value,
};

use crate::Error;
use crate::transact::Tx;

/// Row counts of SQLite's statements, largest first; the last is 1.
pub(crate) const CHUNKS: [usize; 4] = [64, 16, 4, 1];

/// Inserts all rows.
///
/// # Errors
/// `Error::Constraint` if one of them breaks a rule of the table: then none is inserted.
pub async fn bulk_insert<E>(tx: &Tx, rows: &[E::Model]) -> Result<(), Error>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E> + Sync,
{
    bulk_upsert::<E>(tx, rows, "").await
}

/// Inserts all rows; `on_conflict` is the statement's end, such as `ON CONFLICT (a) DO UPDATE SET b =
/// excluded.b`. No two rows may share a key.
///
/// # Errors
/// As [`bulk_insert`].
pub async fn bulk_upsert<E>(tx: &Tx, rows: &[E::Model], on_conflict: &str) -> Result<(), Error>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E> + Sync,
{
    let mut writes = Writes::new(tx);
    writes.upsert::<E>(rows, on_conflict)?;
    writes.run(tx).await
}

/// Writes the columns `set` of all rows, found by their primary keys.
///
/// # Errors
/// `Error::Damaged` if a row is not there: then the transaction must not be committed.
pub async fn bulk_update<E>(tx: &Tx, rows: &[E::Model], set: &[E::Column]) -> Result<(), Error>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E> + Sync,
    E::Column: Copy,
{
    let mut writes = Writes::new(tx);
    writes.update::<E>(rows, set)?;
    writes.run(tx).await
}

/// Rows up to which PostgreSQL gets one statement for all tables: with few of them the round trips count,
/// with many the copy that it makes of each part.
const TOGETHER_MAX: usize = 64;

/// Statements over many rows that are written together: if they are few, PostgreSQL gets one for all of
/// them, and answers once. None may depend on what another one of them wrote.
#[derive(Debug)]
pub struct Writes {
    backend: DbBackend,
    parts: Vec<Part>,
    rows: usize,
}

/// What is written to one table.
#[derive(Debug)]
struct Part {
    table: String,
    /// One on PostgreSQL, one for each chunk on SQLite.
    statements: Vec<(String, Vec<Value>)>,
    /// How many rows must be found.
    expected: Option<u64>,
}

/// Where a statement takes its rows from.
enum Source {
    /// PostgreSQL: `$1::int8[], $2::uuid[], ..`.
    Arrays(String),
    /// SQLite: `(?, ?), (?, ?), ..`.
    Values(String),
}

impl Writes {
    /// Nothing yet.
    pub fn new(tx: &Tx) -> Writes {
        Writes { backend: tx.get_database_backend(), parts: Vec::new(), rows: 0 }
    }

    /// Adds rows to be inserted, as [`bulk_insert`] does.
    ///
    /// # Errors
    /// `Error::Damaged` for a column of a type that has no statement.
    pub fn insert<E>(&mut self, rows: &[E::Model]) -> Result<(), Error>
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E>,
    {
        self.upsert::<E>(rows, "")
    }

    /// Adds rows to be inserted, as [`bulk_upsert`] does.
    ///
    /// # Errors
    /// As [`Writes::insert`].
    pub fn upsert<E>(&mut self, rows: &[E::Model], on_conflict: &str) -> Result<(), Error>
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E>,
    {
        let columns: Vec<E::Column> = E::Column::iter().collect();
        let head = format!("INSERT INTO \"{}\" ({}) ", E::default().table_name(), names::<E>(&columns));
        self.add::<E>(rows, &columns, None, |source| match source {
            Source::Arrays(arrays) => format!("{head}SELECT * FROM unnest({arrays}) {on_conflict}"),
            Source::Values(values) => format!("{head}VALUES {values} {on_conflict}"),
        })
    }

    /// Adds rows to be changed, as [`bulk_update`] does.
    ///
    /// # Errors
    /// As [`Writes::insert`].
    pub fn update<E>(&mut self, rows: &[E::Model], set: &[E::Column]) -> Result<(), Error>
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E>,
        E::Column: Copy,
    {
        let mut columns: Vec<E::Column> =
            E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column).collect();
        let keys = columns.len();
        columns.extend_from_slice(set);
        let table = E::default().table_name().to_owned();
        let listed = names::<E>(&columns);
        let assign = joined(&columns[keys..], ", ", |c| format!("\"{c}\" = u.\"{c}\""));
        let matched = joined(&columns[..keys], " AND ", |c| format!("\"{table}\".\"{c}\" = u.\"{c}\""));
        let expected = Some(rows.len() as u64);
        self.add::<E>(rows, &columns, expected, |source| match source {
            Source::Arrays(arrays) => format!(
                "UPDATE \"{table}\" SET {assign} FROM unnest({arrays}) AS u({listed}) WHERE {matched}"
            ),
            Source::Values(values) => format!(
                "WITH u({listed}) AS (VALUES {values}) UPDATE \"{table}\" SET {assign} FROM u WHERE {matched}"
            ),
        })
    }

    fn add<E>(
        &mut self,
        rows: &[E::Model],
        columns: &[E::Column],
        expected: Option<u64>,
        sql: impl Fn(Source) -> String,
    ) -> Result<(), Error>
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E>,
        E::Column: Copy,
    {
        if rows.is_empty() {
            return Ok(());
        }
        let table = E::default().table_name().to_owned();
        let statements = if self.backend == DbBackend::Postgres {
            let types: Vec<ArrayType> = columns.iter().map(|c| E::Model::get_value_type(*c)).collect();
            let array = |(column, ty): (&E::Column, &ArrayType)| {
                let values = rows.iter().map(|row| row.get(*column)).collect();
                Value::Array(ty.clone(), Some(Box::new(values)))
            };
            let text = sql(Source::Arrays(casts(&types)?));
            vec![(text, columns.iter().zip(&types).map(array).collect())]
        } else {
            let of_chunk = |chunk: &[E::Model]| {
                let values = chunk.iter().flat_map(|row| columns.iter().map(|c| row.get(*c)));
                (sql(Source::Values(marks(chunk.len(), columns.len()))), values.collect())
            };
            chunks(rows).map(of_chunk).collect()
        };
        self.rows += rows.len();
        self.parts.push(Part { table, statements, expected });
        Ok(())
    }

    /// Writes everything.
    ///
    /// # Errors
    /// `Error::Constraint` if a row breaks a rule of its table, `Error::Damaged` if one that is to be changed
    /// is not there: then the transaction must not be committed.
    pub async fn run(self, tx: &Tx) -> Result<(), Error> {
        let Writes { backend, parts, rows } = self;
        if backend == DbBackend::Postgres && parts.len() > 1 && rows <= TOGETHER_MAX {
            return together(tx, parts).await;
        }
        for Part { table, statements, expected } in parts {
            let mut written = 0;
            for (text, values) in statements {
                let statement = Statement::from_sql_and_values(backend, text, values);
                written += tx.execute_raw(statement).await?.rows_affected();
            }
            check(&table, expected, written)?;
        }
        Ok(())
    }
}

/// One statement that writes all parts, each as a part of its WITH, and tells how many rows each wrote.
async fn together(tx: &Tx, parts: Vec<Part>) -> Result<(), Error> {
    let (mut with, mut counts, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let mut checks = Vec::new();
    for (n, Part { table, statements, expected }) in parts.into_iter().enumerate() {
        for (text, of_part) in statements {
            with.push(format!("w{n} AS ({} RETURNING 1)", renumbered(&text, values.len())));
            values.extend(of_part);
        }
        counts.push(format!("(SELECT COUNT(*) FROM w{n}) AS c{n}"));
        checks.push((table, expected));
    }
    let text = format!("WITH {} SELECT {}", with.join(", "), counts.join(", "));
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, text, values);
    let Some(row) = tx.query_one_raw(statement).await? else {
        return Err(Error::Damaged("a statement told nothing".into()));
    };
    for (n, (table, expected)) in checks.into_iter().enumerate() {
        let written: i64 = row.try_get("", &format!("c{n}"))?;
        check(&table, expected, u64::try_from(written).unwrap_or(0))?;
    }
    Ok(())
}

/// A statement whose placeholders count on after so many others.
fn renumbered(text: &str, after: usize) -> String {
    let mut pieces = text.split('$');
    let mut all = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.find(|c: char| !c.is_ascii_digit()).unwrap_or(piece.len());
        let (number, rest) = piece.split_at(digits);
        let number = number.parse::<usize>().unwrap_or(0) + after;
        // Writing to a String does not fail.
        let _ = write!(all, "${number}{rest}");
    }
    all
}

fn check(table: &str, expected: Option<u64>, written: u64) -> Result<(), Error> {
    match expected {
        Some(expected) if expected != written => {
            Err(Error::Damaged(format!("{expected} rows of {table} to update, {written} found")))
        }
        _ => Ok(()),
    }
}

/// Cuts rows into the largest chunks that have a statement.
pub(crate) fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = CHUNKS.into_iter().find(|size| *size <= rows.len())?;
        let (chunk, rest) = rows.split_at(size);
        rows = rest;
        Some(chunk)
    })
}

/// `(?,?),(?,?)` for a number of rows and columns.
pub(crate) fn marks(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    vec![row; rows].join(",")
}

/// `$1::int8[],$2::uuid[]` for columns of these types.
pub(crate) fn casts(types: &[ArrayType]) -> Result<String, Error> {
    let mut text = String::new();
    for (i, ty) in types.iter().enumerate() {
        let separator = if i == 0 { "" } else { "," };
        // Writing to a String does not fail.
        let _ = write!(text, "{separator}${}::{}[]", i + 1, pg_type(ty)?);
    }
    Ok(text)
}

fn pg_type(ty: &ArrayType) -> Result<&'static str, Error> {
    match ty {
        ArrayType::Bool => Ok("bool"),
        ArrayType::SmallInt => Ok("int2"),
        ArrayType::Int => Ok("int4"),
        ArrayType::BigInt => Ok("int8"),
        ArrayType::String => Ok("text"),
        ArrayType::Bytes => Ok("bytea"),
        ArrayType::Uuid => Ok("uuid"),
        other => Err(Error::Damaged(format!("columns of type {other:?} have no bulk statement"))),
    }
}

fn names<E: EntityTrait>(columns: &[E::Column]) -> String {
    joined(columns, ",", |c| format!("\"{c}\""))
}

fn joined<C: IdenStatic>(columns: &[C], separator: &str, write: impl Fn(&str) -> String) -> String {
    columns.iter().map(|c| write(c.as_str())).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_all_rows_with_known_sizes() {
        let rows: Vec<usize> = (0..64 + 64 + 16 + 4 + 4 + 1 + 1).collect();
        let sizes: Vec<usize> = chunks(&rows).map(<[usize]>::len).collect();
        assert_eq!(sizes, [64, 64, 16, 4, 4, 1, 1]);
        assert_eq!(chunks(&rows).flatten().copied().collect::<Vec<_>>(), rows);
    }

    #[test]
    fn placeholders_have_the_shape_of_the_rows() {
        assert_eq!(marks(2, 3), "(?,?,?),(?,?,?)");
        assert_eq!(casts(&[ArrayType::BigInt, ArrayType::Uuid]).unwrap(), "$1::int8[],$2::uuid[]");
        assert_eq!(renumbered("a($1::text[],$12::uuid[]) b", 7), "a($8::text[],$19::uuid[]) b");
        assert!(casts(&[ArrayType::Float]).is_err());
    }
}
