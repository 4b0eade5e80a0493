//! Opens a database and keeps writers and readers apart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sea_orm::sqlx::{ConnectOptions as _, Connection as _};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, RuntimeErr};

use crate::{Error, Plan};

/// How soon an acknowledged commit survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// Acknowledged means durable.
    Full,
    /// A power cut may lose the last commits; a crash of the process loses none.
    Normal,
}

/// Which database, and how much of it to use.
#[derive(Clone, Debug)]
pub enum Settings {
    /// A SQLite file in this process; the caller holds the [`crate::DataDir`] lock.
    Sqlite { file: PathBuf, synchronous: Synchronous },
    /// A PostgreSQL server or one that speaks its protocol.
    Postgres { url: String, connections_max: u32 },
}

/// An open database. Clones share it.
#[derive(Clone, Debug)]
pub struct Db {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    scanner: DatabaseConnection,
    backend: DbBackend,
}

/// A waiting writer is told after this long; longer waits mean something else holds the database.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
const SQLITE_READERS: u32 = 4;
const STATEMENT_CACHE: usize = 500;
/// Milliseconds.
const BOUNDS: [(&str, &str); 2] = [("lock_timeout", "2000"), ("statement_timeout", "10000")];
/// Without sequential scans a small table that has no index counts as costly, and would be compiled for.
const NO_JIT: [(&str, &str); 1] = [("jit", "off")];
/// Scans read whole tables and may take their time; milliseconds.
const SCAN: [(&str, &str); 1] = [("statement_timeout", "600000")];

impl Db {
    /// Opens the database.
    ///
    /// # Errors
    /// `Error::Settings` for a URL that is not one (without its password), `Error::Unavailable` if nothing
    /// answers.
    pub async fn connect(settings: &Settings) -> Result<Db, Error> {
        match settings {
            Settings::Sqlite { file, synchronous } => Db::connect_sqlite(file, *synchronous).await,
            Settings::Postgres { url, connections_max } => Db::connect_postgres(url, *connections_max).await,
        }
    }

    async fn connect_sqlite(file: &Path, synchronous: Synchronous) -> Result<Db, Error> {
        let level = match synchronous {
            Synchronous::Full => SqliteSynchronous::Full,
            Synchronous::Normal => SqliteSynchronous::Normal,
        };
        let name = file.to_owned();
        let tune = move |options: SqliteConnectOptions| {
            options
                .filename(&name)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(level)
                .foreign_keys(true)
                .busy_timeout(Duration::from_secs(5))
                .statement_cache_capacity(STATEMENT_CACHE)
                .pragma("cache_size", "-65536")
                // What undoes half a statement stays in memory: as a file it would double what is written.
                .pragma("temp_store", "MEMORY")
                .pragma("wal_autocheckpoint", "32000")
        };
        // One writer: several would poll for the lock and show half-second tails.
        let mut write = sqlite_options(1);
        write.map_sqlx_sqlite_opts(tune.clone());
        let mut read = sqlite_options(SQLITE_READERS);
        read.map_sqlx_sqlite_opts(move |options| tune(options).pragma("query_only", "ON"));
        let told =
            |e: DbErr| Error::Settings(format!("database file {} cannot be used: {e}", file.display()));
        let writer = open(write).await.map_err(told)?;
        let reader = open(read).await.map_err(told)?;
        Ok(Db { writer, scanner: reader.clone(), reader, backend: DbBackend::Sqlite })
    }

    /// Opens a SQLite file for reading only, without the data-directory lock: for audits beside a running
    /// suite.
    ///
    /// # Errors
    /// `Error::Settings` if the file is missing or unreadable.
    pub async fn open_read_only(file: &Path) -> Result<Db, Error> {
        let told =
            |e: String| Error::Settings(format!("database file {} cannot be read: {e}", file.display()));
        if !file.is_file() {
            return Err(told("there is no such file".into()));
        }
        let name = file.to_owned();
        let mut options = sqlite_options(1);
        options.map_sqlx_sqlite_opts(move |o| o.filename(&name).read_only(true).foreign_keys(true));
        let reader = open(options).await.map_err(|e| told(e.to_string()))?;
        let (writer, scanner) = (reader.clone(), reader.clone());
        Ok(Db { writer, reader, scanner, backend: DbBackend::Sqlite })
    }

    async fn connect_postgres(url: &str, connections_max: u32) -> Result<Db, Error> {
        reach(check_url(url)?).await?;
        let connections = connections_max.max(4);
        let mut write = postgres_options(url, connections / 2);
        write.map_sqlx_postgres_opts(by_key);
        let mut read = postgres_options(url, connections - connections / 2);
        read.map_sqlx_postgres_opts(by_key);
        let mut scan = postgres_options(url, 1);
        scan.min_connections(0).map_sqlx_postgres_opts(|options| tuned(options).options(SCAN));
        let writer = open(write).await.map_err(Error::Unavailable)?;
        let reader = open(read).await.map_err(Error::Unavailable)?;
        let scanner = open(scan).await.map_err(Error::Unavailable)?;
        Ok(Db { reader, writer, scanner, backend: DbBackend::Postgres })
    }

    /// For reads by key outside a transaction.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    pub(crate) fn scanner(&self) -> &DatabaseConnection {
        &self.scanner
    }

    pub(crate) fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Which of the two databases this is.
    pub fn backend(&self) -> DbBackend {
        self.backend
    }

    /// True if the database answers.
    pub async fn is_ready(&self) -> bool {
        self.reader.execute_unprepared("SELECT 1").await.is_ok()
    }

    /// Closes all connections once they are idle.
    pub async fn close(&self) {
        let _ = self.reader.close_by_ref().await;
        let _ = self.scanner.close_by_ref().await;
        let _ = self.writer.close_by_ref().await;
    }
}

/// Connects once, so that a server that cannot be reached is named by its cause: a pool only says that it
/// waited.
async fn reach(options: PgConnectOptions) -> Result<(), Error> {
    let unavailable = |e: sqlx::Error| Error::Unavailable(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(e))));
    let connecting = tokio::time::timeout(ACQUIRE_TIMEOUT, Box::pin(options.connect())).await;
    let connection = connecting.map_err(|_| unavailable(sqlx::Error::PoolTimedOut))?;
    // The server closes what is not closed politely.
    let _ = connection.map_err(unavailable)?.close().await;
    Ok(())
}

async fn open(options: ConnectOptions) -> Result<DatabaseConnection, DbErr> {
    Box::pin(Database::connect(options)).await
}

fn postgres_options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .sqlx_logging(false);
    options
}

fn tuned(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("rapport").statement_cache_capacity(STATEMENT_CACHE).options(BOUNDS)
}

fn by_key(options: PgConnectOptions) -> PgConnectOptions {
    tuned(options).options(NO_JIT).options(Plan::ByKey.settings().iter().copied())
}

fn sqlite_options(connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new("sqlite:");
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_pool_opts(outside_transactions);
    options
}

/// A statement that finds the disk full may undo its transaction by itself. What is counted as open then
/// stays so, and the next one would begin inside it, where its COMMIT commits nothing. Such a connection is
/// closed.
fn outside_transactions(options: SqlitePoolOptions) -> SqlitePoolOptions {
    options.before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
}

/// Refuses what is not a PostgreSQL URL with a message that never repeats it, for it may hold a password.
fn check_url(url: &str) -> Result<PgConnectOptions, Error> {
    let shape = "expected postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE";
    let parsed = url::Url::parse(url).map_err(|e| Error::Settings(format!("database URL: {e}; {shape}")))?;
    if !matches!(parsed.scheme(), "postgres" | "postgresql") {
        return Err(Error::Settings(format!(
            "database URL: scheme `{}` is not known; {shape}",
            parsed.scheme()
        )));
    }
    if parsed.path().trim_start_matches('/').is_empty() {
        return Err(Error::Settings(format!("database URL: names no database; {shape}")));
    }
    url.parse().map_err(|_| Error::Settings(format!("database URL: not understood; {shape}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_url_is_refused_without_its_password() {
        for url in [
            "postgres//u:hunter2@h/db",
            "mysql://u:hunter2@h/db",
            "postgres://u:hunter2@h:port/db",
            "postgres://u:hunter2@h",
            "hunter2",
            "postgres://u:hunter2@h/db?sslmode=hunter2",
        ] {
            let told = check_url(url).unwrap_err().to_string();
            assert!(!told.contains("hunter2"), "{told}");
            assert!(told.starts_with("database URL: "), "{told}");
        }
        check_url("postgres://u:hunter2@localhost:5432/db").unwrap();
    }
}
