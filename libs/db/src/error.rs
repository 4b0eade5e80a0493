//! What can go wrong below a transaction, told apart by what the caller should do.

use sea_orm::sqlx;
use sea_orm::{DbErr, RuntimeErr};

/// A database error. Its text may name tables and values: it is for the log, never for a client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings do not describe a usable database; the text carries no password.
    #[error("{0}")]
    Settings(String),
    /// The database cannot be reached or has no connection to spare.
    #[error("the database is not available: {0}")]
    Unavailable(DbErr),
    /// The database asked for a retry (serialisation failure, deadlock, lock timeout) once too often.
    #[error("the database is too busy: {0}")]
    Busy(DbErr),
    /// The connection was lost while COMMIT was on its way: the transaction may or may not have happened.
    #[error("the outcome of the commit is unknown: {0}")]
    CommitUnknown(DbErr),
    /// A row breaks a rule of its table.
    #[error("a constraint of the database refused the statement: {0}")]
    Constraint(DbErr),
    /// A stored row does not make sense.
    #[error("stored row is damaged: {0}")]
    Damaged(String),
    /// The work itself gave its transaction up, for a reason that it knows.
    #[error("the transaction was given up")]
    Aborted,
    /// Anything else.
    #[error("the database refused a statement: {0}")]
    Other(DbErr),
}

impl Error {
    /// True if running the same work again may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Unavailable(_) | Error::Busy(_))
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Error {
        match class_of(&error) {
            Class::Unavailable => Error::Unavailable(error),
            Class::Busy => Error::Busy(error),
            Class::Constraint => Error::Constraint(error),
            Class::Other => Error::Other(error),
        }
    }
}

enum Class {
    Unavailable,
    Busy,
    Constraint,
    Other,
}

fn class_of(error: &DbErr) -> Class {
    match error {
        DbErr::ConnectionAcquire(_) => Class::Unavailable,
        DbErr::Conn(RuntimeErr::SqlxError(e))
        | DbErr::Exec(RuntimeErr::SqlxError(e))
        | DbErr::Query(RuntimeErr::SqlxError(e)) => class_of_sqlx(e),
        _ => Class::Other,
    }
}

fn class_of_sqlx(error: &sqlx::Error) -> Class {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Class::Unavailable,
        sqlx::Error::Database(e) if e.is_unique_violation() || e.is_foreign_key_violation() => {
            Class::Constraint
        }
        sqlx::Error::Database(e) if e.is_check_violation() => Class::Constraint,
        sqlx::Error::Database(e) => class_of_code(e.code().as_deref().unwrap_or("")),
        _ => Class::Other,
    }
}

/// The low byte of SQLite's extended codes, of four digits at most, is the primary one.
fn is_sqlite_ioerr(code: &str) -> bool {
    code.len() < 5 && code.parse::<u16>().is_ok_and(|code| code & 0xff == 10)
}

/// PostgreSQL's SQLSTATE (five characters) or SQLite's extended result code (a number).
fn class_of_code(code: &str) -> Class {
    match code {
        // serialization_failure, deadlock_detected, lock_not_available; SQLITE_BUSY, SQLITE_LOCKED and kin
        "40001" | "40P01" | "55P03" | "5" | "6" | "261" | "517" | "773" => Class::Busy,
        // disk_full; SQLITE_FULL, SQLITE_IOERR and kin
        "53100" | "13" => Class::Unavailable,
        code if is_sqlite_ioerr(code) => Class::Unavailable,
        // connection exceptions, too_many_connections, admin and crash shutdown, cannot_connect_now
        "53300" | "57P01" | "57P02" | "57P03" => Class::Unavailable,
        // query_canceled by statement_timeout, read_only_sql_transaction (a failover in progress)
        "57014" | "25006" => Class::Unavailable,
        code if code.len() == 5 && code.starts_with("08") => Class::Unavailable,
        _ => Class::Other,
    }
}
