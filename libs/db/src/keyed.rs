//! Statements over a list of keys whose text does not depend on how many there are.

use sea_orm::sea_query::ArrayType;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value};

use crate::Error;
use crate::bulk::{chunks, item, marks, renumbered, values};
use crate::transact::Tx;

/// What to select: the rows of `table` whose columns `on` equal the first values of one of the keys.
///
/// `filter` is SQL that may name the row `t` and further values of its key as `k.c0`, `k.c1`, ..; `order`
/// is SQL after ORDER BY.
#[derive(Clone, Copy, Debug)]
pub struct Keyed<'a> {
    /// The table.
    pub table: &'a str,
    /// Columns compared with the first values of each key.
    pub on: &'a [&'a str],
    /// One type per value of a key.
    pub types: &'a [ArrayType],
    /// A further condition, or the empty text.
    pub filter: &'a str,
    /// An order, or the empty text. With [`Pick::First`] it is the order within a key.
    pub order: &'a str,
    /// Which of these rows, and whether to lock them.
    pub pick: Pick,
    /// Further items of the SELECT list, each after a comma, or the empty text.
    pub more: &'a str,
}

/// Rows that may be there: those that a selection finds by its keys.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// What to select.
    pub select: Keyed<'static>,
    /// The keys.
    pub keys: Vec<Vec<Value>>,
}

impl Lookup {
    /// Those that are there.
    ///
    /// # Errors
    /// As [`select_in`].
    pub async fn rows<M: FromQueryResult>(&self, db: &impl ConnectionTrait) -> Result<Vec<M>, Error> {
        select_in(db, self.select, &self.keys).await
    }
}

/// Which rows of a key to select.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// All of them.
    All,
    /// At most this many.
    First(u32),
    /// All, locked until the transaction ends (SQLite's one writer holds everything anyway).
    Locked,
}

/// Selects rows by keys, each a list of values of `select.types`. Keys should be distinct.
///
/// # Errors
/// That the database refused, or that a row does not fit `M`.
pub async fn select_in<M: FromQueryResult>(
    db: &impl ConnectionTrait,
    select: Keyed<'_>,
    keys: &[Vec<Value>],
) -> Result<Vec<M>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let backend = db.get_database_backend();
    if backend == DbBackend::Postgres {
        let text = select.postgres(&item(select.types, keys.len())?);
        return rows(db, Statement::from_sql_and_values(backend, text, of_keys(select.types, keys))).await;
    }
    let mut found = Vec::new();
    for chunk in chunks(keys) {
        let values = chunk.iter().flatten().cloned();
        let statement = Statement::from_sql_and_values(backend, select.sqlite(chunk.len()), values);
        found.extend(rows(db, statement).await?);
    }
    Ok(found)
}

/// Selects as [`select_in`] does; each row tells as `beside` whether any of `others` may be there: on
/// PostgreSQL whether it was when the statement began, without a round trip of its own; on SQLite always.
///
/// # Errors
/// As [`select_in`].
pub async fn select_beside<M: FromQueryResult>(
    db: &impl ConnectionTrait,
    select: Keyed<'_>,
    keys: &[Vec<Value>],
    others: &[Lookup],
) -> Result<Vec<M>, Error> {
    let backend = db.get_database_backend();
    if keys.is_empty() || backend != DbBackend::Postgres {
        let more = format!("{}, TRUE AS beside", select.more);
        return select_in(db, Keyed { more: &more, ..select }, keys).await;
    }
    let mut values = of_keys(select.types, keys);
    let mut beside = vec!["FALSE".to_owned()];
    for Lookup { select, keys } in others.iter().filter(|other| !other.keys.is_empty()) {
        let text = select.postgres(&item(select.types, keys.len())?);
        beside.push(format!("EXISTS ({})", renumbered(&text, values.len())));
        values.extend(of_keys(select.types, keys));
    }
    let more = format!("{}, ({}) AS beside", select.more, beside.join(" OR "));
    let text = Keyed { more: &more, ..select }.postgres(&item(select.types, keys.len())?);
    rows(db, Statement::from_sql_and_values(backend, text, values)).await
}

async fn rows<M: FromQueryResult>(db: &impl ConnectionTrait, statement: Statement) -> Result<Vec<M>, Error> {
    let found = db.query_all_raw(statement).await?;
    found.iter().map(|row| M::from_query_result(row, "").map_err(Error::from)).collect()
}

/// Runs a statement over keys, each a list of values of `types`, and returns how many rows it changed. `sql`
/// is given the item of a FROM clause that is the table `k(c0, c1, ..)` of the keys.
///
/// # Errors
/// That the database refused.
pub async fn execute_in(
    tx: &Tx,
    types: &[ArrayType],
    keys: &[Vec<Value>],
    sql: impl Fn(&str) -> String,
) -> Result<u64, Error> {
    if keys.is_empty() {
        return Ok(0);
    }
    let backend = tx.get_database_backend();
    if backend == DbBackend::Postgres {
        let text = sql(&format!("{} AS k({})", item(types, keys.len())?, key_columns(types.len())));
        let statement = Statement::from_sql_and_values(backend, text, of_keys(types, keys));
        return Ok(tx.execute_raw(statement).await?.rows_affected());
    }
    let named: Vec<String> = (0..types.len()).map(|i| format!("column{} AS c{i}", i + 1)).collect();
    let named = named.join(",");
    let mut changed = 0;
    for chunk in chunks(keys) {
        let item = format!("(SELECT {named} FROM (VALUES {})) AS k", marks(chunk.len(), types.len()));
        let values = chunk.iter().flatten().cloned();
        let statement = Statement::from_sql_and_values(backend, sql(&item), values);
        changed += tx.execute_raw(statement).await?.rows_affected();
    }
    Ok(changed)
}

fn of_keys(types: &[ArrayType], keys: &[Vec<Value>]) -> Vec<Value> {
    values(types.len(), |n| types[n].clone(), keys.len(), |key, n| keys[key][n].clone())
}

fn key_columns(count: usize) -> String {
    (0..count).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",")
}

impl Keyed<'_> {
    fn postgres(&self, item: &str) -> String {
        let (table, more, condition, order) = (self.table, self.more, self.condition(), self.order_by());
        let keys = format!("{item} AS k({})", self.key_columns());
        if self.pick == Pick::Locked {
            return format!(
                "SELECT t.*{more} FROM {keys} JOIN \"{table}\" t ON {condition}{order} FOR UPDATE OF t"
            );
        }
        // Each key is looked up in turn, whatever the statistics expect: all rows of a table that was empty
        // when they were made, and has filled since, would be compared with all keys.
        let each = format!("SELECT t.*{more} FROM \"{table}\" t WHERE {condition}");
        let (each, order) = match self.pick {
            Pick::First(first) => (format!("{each}{order} LIMIT {first}"), String::new()),
            Pick::All | Pick::Locked => (format!("{each} OFFSET 0"), order),
        };
        format!("SELECT t.* FROM {keys} CROSS JOIN LATERAL ({each}) t{order}")
    }

    fn sqlite(&self, keys: usize) -> String {
        let (table, more, condition, order) = (self.table, self.more, self.condition(), self.order_by());
        let width = self.types.len();
        if let Pick::First(first) = self.pick {
            let one = format!(
                "SELECT * FROM (WITH k({}) AS (VALUES {}) SELECT t.*{more} FROM k CROSS JOIN \"{table}\" t \
                 WHERE {condition}{order} LIMIT {first})",
                self.key_columns(),
                marks(1, width)
            );
            return vec![one; keys].join(" UNION ALL ");
        }
        // CROSS JOIN tells SQLite to look up each key in turn.
        format!(
            "WITH k({}) AS (VALUES {}) SELECT t.*{more} FROM k CROSS JOIN \"{table}\" t \
             WHERE {condition}{order}",
            self.key_columns(),
            marks(keys, width)
        )
    }

    fn key_columns(&self) -> String {
        key_columns(self.types.len())
    }

    fn condition(&self) -> String {
        let mut parts: Vec<String> =
            self.on.iter().enumerate().map(|(i, column)| format!("t.\"{column}\" = k.c{i}")).collect();
        if !self.filter.is_empty() {
            parts.push(self.filter.to_owned());
        }
        parts.join(" AND ")
    }

    fn order_by(&self) -> String {
        if self.order.is_empty() { String::new() } else { format!(" ORDER BY {}", self.order) }
    }
}
