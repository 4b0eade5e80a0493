//! Shorthand for migrations: tables whose columns are all required and whose primary key is their leading
//! columns, the same on both databases.

use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::SchemaManager;
use sea_orm_migration::prelude::{Alias, ColumnDef, Expr, Index, IndexCreateStatement, Table};

/// The type of a column.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// 32 bits.
    Int,
    /// 64 bits.
    Big,
    /// True or false.
    Bool,
    /// Text in UTF-8.
    Text,
    /// A UUID.
    Uuid,
    /// Bytes.
    Bytes,
}

/// A table to be created.
#[derive(Clone, Copy, Debug)]
pub struct NewTable<'a> {
    /// Its name.
    pub name: &'a str,
    /// Names and types, those of the primary key first.
    pub columns: &'a [(&'a str, Kind)],
    /// How many leading columns are the primary key.
    pub key: usize,
    /// SQL conditions that every row keeps.
    pub checks: &'a [&'a str],
    /// Rows are updated often: leave room for the new versions beside the old ones.
    pub updated: bool,
}

/// Creates a table.
///
/// # Errors
/// That the database refused.
pub async fn create(manager: &SchemaManager<'_>, new: NewTable<'_>) -> Result<(), DbErr> {
    let mut table = Table::create();
    table.table(Alias::new(new.name));
    for (name, kind) in new.columns {
        let mut column = ColumnDef::new(Alias::new(*name));
        match kind {
            Kind::Int => column.integer(),
            Kind::Big => column.big_integer(),
            Kind::Bool => column.boolean(),
            Kind::Text => column.text(),
            Kind::Uuid => column.uuid(),
            Kind::Bytes => column.binary(),
        };
        table.col(column.not_null());
    }
    let mut key = Index::create();
    for (name, _) in &new.columns[..new.key] {
        key.col(Alias::new(*name));
    }
    table.primary_key(&mut key);
    for check in new.checks {
        table.check(Expr::cust(check.to_string()));
    }
    if manager.get_database_backend() == DbBackend::Sqlite {
        table.extra("WITHOUT ROWID");
    } else if new.updated {
        table.extra("WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02)");
    }
    manager.create_table(table).await
}

/// Creates a full or partial index; sea-query's own partial indexes lack SQLite.
///
/// # Errors
/// That the database refused.
pub async fn index(
    manager: &SchemaManager<'_>,
    (name, table): (&str, &str),
    columns: &[&str],
    unique: bool,
    only: Option<&str>,
) -> Result<(), DbErr> {
    if let Some(only) = only {
        let unique = if unique { "UNIQUE " } else { "" };
        let columns = columns.join(", ");
        let sql = format!("CREATE {unique}INDEX {name} ON {table} ({columns}) WHERE {only}");
        return manager.get_connection().execute_unprepared(&sql).await.map(|_| ());
    }
    let mut statement: IndexCreateStatement = Index::create();
    statement.name(name).table(Alias::new(table));
    for column in columns {
        statement.col(Alias::new(*column));
    }
    if unique {
        statement.unique();
    }
    manager.create_index(statement).await
}
