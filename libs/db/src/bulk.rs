//! Statements over many rows whose text does not depend on how many, so that it stays prepared.
//!
//! PostgreSQL gets one array per column, or one value where it is a single row; SQLite gets chunks of 64, 16,
//! 4 and 1 rows.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

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
    E::Column: Copy,
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
    E::Column: Copy,
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

/// Rows up to which PostgreSQL gets a statement for each: taking arrays apart costs more than so few rows.
const SINGLE_MAX: usize = 2;

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
    table: &'static str,
    /// One for each chunk.
    statements: Vec<Written>,
    /// How many rows must be found.
    expected: Option<u64>,
}

#[derive(Debug)]
struct Written {
    shape: Shape,
    text: Arc<str>,
    values: Vec<Value>,
}

/// All that the text of a statement depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Shape {
    table: &'static str,
    /// What is changed of rows that are there; nothing: rows are inserted.
    set: Vec<&'static str>,
    on_conflict: String,
    rows: Rows,
}

/// How rows are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Rows {
    /// PostgreSQL: `unnest($1::int8[], $2::uuid[], ..)`.
    Arrays,
    /// PostgreSQL: `(VALUES ($1::int8, $2::uuid, ..))`.
    Single,
    /// SQLite: so many rows as `(?, ?), (?, ?), ..`.
    Chunk(usize),
}

type Texts = Mutex<HashMap<Vec<Shape>, Arc<str>>>;

/// Texts made before, by their parts: making a wide one takes as long as the database needs for its row.
static TEXTS: LazyLock<Texts> = LazyLock::new(Texts::default);
const TEXTS_MAX: usize = 2_000;

fn text(shapes: &[Shape], make: impl FnOnce() -> Result<String, Error>) -> Result<Arc<str>, Error> {
    let texts = || TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = texts().get(shapes) {
        return Ok(known.clone());
    }
    let made: Arc<str> = make()?.into();
    let mut texts = texts();
    if texts.len() >= TEXTS_MAX {
        texts.clear();
    }
    texts.insert(shapes.to_vec(), made.clone());
    Ok(made)
}

impl Writes {
    /// Nothing yet.
    pub fn new(tx: &Tx) -> Writes {
        Writes { backend: tx.get_database_backend(), parts: Vec::new(), rows: 0 }
    }

    /// For which database.
    pub fn backend(&self) -> DbBackend {
        self.backend
    }

    /// Adds rows to be inserted, as [`bulk_insert`] does.
    ///
    /// # Errors
    /// `Error::Damaged` for a column of a type that has no statement.
    pub fn insert<E>(&mut self, rows: &[E::Model]) -> Result<(), Error>
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E>,
        E::Column: Copy,
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
        E::Column: Copy,
    {
        let columns: Vec<E::Column> = E::Column::iter().collect();
        self.add::<E>(rows, &columns, (&[], on_conflict), None)
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
        let keys = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
        let columns: Vec<E::Column> = keys.chain(set.iter().copied()).collect();
        self.add::<E>(rows, &columns, (set, ""), Some(rows.len() as u64))
    }

    fn add<E>(
        &mut self,
        rows: &[E::Model],
        columns: &[E::Column],
        (set, on_conflict): (&[E::Column], &str),
        expected: Option<u64>,
    ) -> Result<(), Error>
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E>,
        E::Column: Copy,
    {
        if rows.is_empty() {
            return Ok(());
        }
        let table = E::default().table_name();
        let set: Vec<&'static str> = set.iter().map(IdenStatic::as_str).collect();
        let of_chunk = |chunk: &[E::Model], given: Rows| {
            let shape = Shape { table, set: set.clone(), on_conflict: on_conflict.to_owned(), rows: given };
            let text = text(std::slice::from_ref(&shape), || sql::<E>(&shape, columns))?;
            let value = |row: usize, column: usize| chunk[row].get(columns[column]);
            let values = match given {
                Rows::Arrays | Rows::Single => {
                    let ty = |column: usize| E::Model::get_value_type(columns[column]);
                    values(columns.len(), ty, chunk.len(), value)
                }
                Rows::Chunk(_) => chunk.iter().flat_map(|row| columns.iter().map(|c| row.get(*c))).collect(),
            };
            Ok(Written { shape, text, values })
        };
        let statements: Result<Vec<Written>, Error> = match self.backend {
            DbBackend::Postgres if rows.len() <= SINGLE_MAX => {
                rows.chunks(1).map(|row| of_chunk(row, Rows::Single)).collect()
            }
            DbBackend::Postgres => [of_chunk(rows, Rows::Arrays)].into_iter().collect(),
            _ => chunks(rows).map(|chunk| of_chunk(chunk, Rows::Chunk(chunk.len()))).collect(),
        };
        self.rows += rows.len();
        self.parts.push(Part { table, statements: statements?, expected });
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
            for Written { text, values, .. } in statements {
                let statement = Statement::from_sql_and_values(backend, text.as_ref(), values);
                written += tx.execute_raw(statement).await?.rows_affected();
            }
            check(table, expected, written)?;
        }
        Ok(())
    }
}

/// One statement that writes all parts, each as a part of its WITH, and tells how many rows each wrote.
async fn together(tx: &Tx, parts: Vec<Part>) -> Result<(), Error> {
    let written = || parts.iter().flat_map(|part| &part.statements);
    let shapes: Vec<Shape> = written().map(|one| one.shape.clone()).collect();
    let text = text(&shapes, || Ok(joint(&parts)))?;
    let checks: Vec<_> = parts.iter().map(|part| (part.table, part.expected)).collect();
    let values = parts.into_iter().flat_map(|part| part.statements).flat_map(|one| one.values);
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, text.as_ref(), values);
    let Some(row) = tx.query_one_raw(statement).await? else {
        return Err(Error::Damaged("a statement told nothing".into()));
    };
    for (n, (table, expected)) in checks.into_iter().enumerate() {
        let written: i64 = row.try_get("", &format!("c{n}"))?;
        check(table, expected, u64::try_from(written).unwrap_or(0))?;
    }
    Ok(())
}

fn joint(parts: &[Part]) -> String {
    let (mut with, mut counts, mut before) = (Vec::new(), Vec::new(), 0);
    for (n, part) in parts.iter().enumerate() {
        let mut written = Vec::new();
        for one in &part.statements {
            written.push(format!("(SELECT COUNT(*) FROM w{})", with.len()));
            with.push(format!("w{} AS ({} RETURNING 1)", with.len(), renumbered(&one.text, before)));
            before += one.values.len();
        }
        counts.push(format!("{} AS c{n}", written.join(" + ")));
    }
    format!("WITH {} SELECT {}", with.join(", "), counts.join(", "))
}

/// The text of a statement that writes these columns, the primary key first if rows are changed.
fn sql<E: EntityTrait>(shape: &Shape, columns: &[E::Column]) -> Result<String, Error>
where
    E::Model: ModelTrait<Entity = E>,
    E::Column: Copy,
{
    let Shape { table, set, on_conflict, rows } = shape;
    let listed = joined(columns, ",", |c| format!("\"{c}\""));
    let types: Vec<ArrayType> = columns.iter().map(|c| E::Model::get_value_type(*c)).collect();
    let source = match rows {
        Rows::Arrays => item(&types, 2)?,
        Rows::Single => item(&types, 1)?,
        Rows::Chunk(count) => format!("VALUES {}", marks(*count, columns.len())),
    };
    if set.is_empty() {
        let head = format!("INSERT INTO \"{table}\" ({listed}) ");
        return Ok(match rows {
            Rows::Chunk(_) => format!("{head}{source} {on_conflict}"),
            Rows::Arrays | Rows::Single => format!("{head}SELECT * FROM {source} AS u {on_conflict}"),
        });
    }
    let (keys, changed) = columns.split_at(columns.len() - set.len());
    let assign = joined(changed, ", ", |c| format!("\"{c}\" = u.\"{c}\""));
    let matched = joined(keys, " AND ", |c| format!("\"{table}\".\"{c}\" = u.\"{c}\""));
    let update = format!("UPDATE \"{table}\" SET {assign} FROM");
    Ok(match rows {
        Rows::Chunk(_) => format!("WITH u({listed}) AS ({source}) {update} u WHERE {matched}"),
        Rows::Arrays | Rows::Single => format!("{update} {source} AS u({listed}) WHERE {matched}"),
    })
}

/// A statement whose placeholders count on after so many others.
pub(crate) fn renumbered(text: &str, after: usize) -> String {
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

/// What PostgreSQL selects so many rows of these types from.
pub(crate) fn item(types: &[ArrayType], rows: usize) -> Result<String, Error> {
    match rows {
        1 => Ok(format!("(VALUES ({}))", casts(types, "")?)),
        _ => Ok(format!("unnest({})", casts(types, "[]")?)),
    }
}

/// The values of an [`item`], given the type of a column, and the value of a row and a column.
pub(crate) fn values(
    columns: usize,
    ty: impl Fn(usize) -> ArrayType,
    rows: usize,
    value: impl Fn(usize, usize) -> Value,
) -> Vec<Value> {
    let array = |column: usize| {
        let values = (0..rows).map(|row| value(row, column)).collect();
        Value::Array(ty(column), Some(Box::new(values)))
    };
    match rows {
        1 => (0..columns).map(|column| value(0, column)).collect(),
        _ => (0..columns).map(array).collect(),
    }
}

/// `$1::int8[],$2::uuid[]` for columns of these types, or without `many`.
fn casts(types: &[ArrayType], many: &str) -> Result<String, Error> {
    let mut text = String::new();
    for (i, ty) in types.iter().enumerate() {
        let separator = if i == 0 { "" } else { "," };
        // Writing to a String does not fail.
        let _ = write!(text, "{separator}${}::{}{many}", i + 1, pg_type(ty)?);
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
        assert_eq!(casts(&[ArrayType::BigInt, ArrayType::Uuid], "[]").unwrap(), "$1::int8[],$2::uuid[]");
        assert_eq!(renumbered("a($1::text[],$12::uuid[]) b", 7), "a($8::text[],$19::uuid[]) b");
        assert!(casts(&[ArrayType::Float], "").is_err());
    }
}
