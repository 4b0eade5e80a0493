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
    let columns: Vec<E::Column> = E::Column::iter().collect();
    let head = format!("INSERT INTO \"{}\" ({}) ", E::default().table_name(), names::<E>(&columns));
    run::<E>(tx, rows, &columns, |source| match source {
        Source::Arrays(arrays) => format!("{head}SELECT * FROM unnest({arrays}) {on_conflict}"),
        Source::Values(values) => format!("{head}VALUES {values} {on_conflict}"),
    })
    .await
    .map(|_| ())
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
    let mut columns: Vec<E::Column> = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column).collect();
    let keys = columns.len();
    columns.extend_from_slice(set);
    let table = E::default().table_name().to_owned();
    let listed = names::<E>(&columns);
    let assign = joined(&columns[keys..], ", ", |c| format!("\"{c}\" = u.\"{c}\""));
    let matched = joined(&columns[..keys], " AND ", |c| format!("\"{table}\".\"{c}\" = u.\"{c}\""));
    let written = run::<E>(tx, rows, &columns, |source| match source {
        Source::Arrays(arrays) => {
            format!("UPDATE \"{table}\" SET {assign} FROM unnest({arrays}) AS u({listed}) WHERE {matched}")
        }
        Source::Values(values) => format!(
            "WITH u({listed}) AS (VALUES {values}) UPDATE \"{table}\" SET {assign} FROM u WHERE {matched}"
        ),
    })
    .await?;
    if written != rows.len() as u64 {
        let missing = format!("{} rows of {table} to update, {written} found", rows.len());
        return Err(Error::Damaged(missing));
    }
    Ok(())
}

/// Where a statement takes its rows from.
enum Source {
    /// PostgreSQL: `$1::int8[], $2::uuid[], ..`.
    Arrays(String),
    /// SQLite: `(?, ?), (?, ?), ..`.
    Values(String),
}

async fn run<E>(
    tx: &Tx,
    rows: &[E::Model],
    columns: &[E::Column],
    sql: impl Fn(Source) -> String,
) -> Result<u64, Error>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E>,
    E::Column: Copy,
{
    if rows.is_empty() {
        return Ok(0);
    }
    if tx.get_database_backend() == DbBackend::Postgres {
        let types: Vec<ArrayType> = columns.iter().map(|c| E::Model::get_value_type(*c)).collect();
        let arrays = columns.iter().zip(&types).map(|(column, ty)| {
            let values = rows.iter().map(|row| row.get(*column)).collect();
            Value::Array(ty.clone(), Some(Box::new(values)))
        });
        let statement =
            Statement::from_sql_and_values(DbBackend::Postgres, sql(Source::Arrays(casts(&types)?)), arrays);
        return Ok(tx.execute_raw(statement).await?.rows_affected());
    }
    let mut written = 0;
    for chunk in chunks(rows) {
        let values = chunk.iter().flat_map(|row| columns.iter().map(|c| row.get(*c)));
        let text = sql(Source::Values(marks(chunk.len(), columns.len())));
        let statement = Statement::from_sql_and_values(DbBackend::Sqlite, text, values);
        written += tx.execute_raw(statement).await?.rows_affected();
    }
    Ok(written)
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
        assert!(casts(&[ArrayType::Float]).is_err());
    }
}
