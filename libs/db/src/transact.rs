//! The only way to a write transaction.

use std::time::Duration;

use futures::future::BoxFuture;
use sea_orm::{
    AccessMode, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, IsolationLevel,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};

use crate::trace::traced;
use crate::{Db, Error};

/// An open write transaction.
pub type Tx = DatabaseTransaction;

/// What runs inside a transaction. It may run more than once and has no other effect than on the transaction.
pub trait Work<T>: for<'a> Fn(&'a Tx) -> BoxFuture<'a, Result<T, Error>> + Send + Sync {}

impl<T, F> Work<T> for F where F: for<'a> Fn(&'a Tx) -> BoxFuture<'a, Result<T, Error>> + Send + Sync {}

const ATTEMPTS_MAX: u32 = 6;
const BACKOFF_FIRST: Duration = Duration::from_millis(2);
/// The bound of one transaction with all its attempts.
const TRANSACTION_MAX: Duration = Duration::from_secs(10);

impl Db {
    /// Runs `work` in a write transaction and commits it.
    ///
    /// The transaction is IMMEDIATE on SQLite (a deferred one fails under contention) and READ COMMITTED on
    /// PostgreSQL, where `work` locks the rows it decides on. Serialisation failures, deadlocks, lock
    /// time-outs and connections lost before COMMIT was sent are retried with jitter, within 10 s.
    ///
    /// # Errors
    /// What `work` returns; `Error::CommitUnknown` if the answer to COMMIT was lost: run the same work
    /// again only if it first checks its own key (a request id, a cursor).
    pub async fn transact<T: Send>(&self, work: impl Work<T>) -> Result<T, Error> {
        let deadline = tokio::time::Instant::now() + TRANSACTION_MAX;
        let mut attempt = 1;
        loop {
            let outcome = tokio::time::timeout_at(deadline, self.attempt(&work)).await;
            let error = match outcome {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => error,
                Err(_) => return Err(timed_out()),
            };
            let pause = backoff(attempt);
            let late = tokio::time::Instant::now() + pause >= deadline;
            if !error.is_transient() || attempt >= ATTEMPTS_MAX || late {
                return Err(error);
            }
            tracing::debug!(attempt, %error, "transaction is tried again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt<T>(&self, work: &impl Work<T>) -> Result<T, Error> {
        let tx = self.writer().begin_with_options(self.write_options()).await?;
        match work(&tx).await {
            Ok(value) => {
                traced(self.backend(), "COMMIT", tx.commit()).await.map_err(commit_error)?;
                Ok(value)
            }
            Err(error) => {
                // A rollback that fails is a lost connection: the database rolls back by itself.
                let _ = tx.rollback().await;
                Err(error)
            }
        }
    }

    /// Runs `work`, which reads by key, on one consistent snapshot of the database; writes nothing.
    ///
    /// # Errors
    /// What `work` returns, or that the database cannot be reached.
    pub async fn snapshot<T: Send>(&self, work: impl Work<T>) -> Result<T, Error> {
        self.read_in(self.reader(), work).await
    }

    /// As [`Db::snapshot`] for work that reads whole tables: one at a time, with time and plans for it.
    ///
    /// # Errors
    /// What `work` returns, or that the database cannot be reached.
    pub async fn scan<T: Send>(&self, work: impl Work<T>) -> Result<T, Error> {
        self.read_in(self.scanner(), work).await
    }

    async fn read_in<T>(&self, pool: &DatabaseConnection, work: impl Work<T>) -> Result<T, Error> {
        let options = match self.backend() {
            DbBackend::Postgres => TransactionOptions {
                isolation_level: Some(IsolationLevel::RepeatableRead),
                access_mode: Some(AccessMode::ReadOnly),
                ..TransactionOptions::default()
            },
            _ => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Deferred),
                ..TransactionOptions::default()
            },
        };
        let tx = pool.begin_with_options(options).await?;
        let outcome = work(&tx).await;
        let _ = tx.rollback().await;
        outcome
    }

    fn write_options(&self) -> TransactionOptions {
        match self.backend() {
            DbBackend::Sqlite => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            },
            // READ COMMITTED is the server's default: naming it would cost a round trip.
            _ => TransactionOptions::default(),
        }
    }
}

/// A refused COMMIT is an answer; a lost one is not.
fn commit_error(error: DbErr) -> Error {
    match Error::from(error) {
        Error::Unavailable(e) => Error::CommitUnknown(e),
        other => other,
    }
}

fn timed_out() -> Error {
    // The transaction was dropped somewhere before its end, possibly inside COMMIT.
    Error::CommitUnknown(DbErr::Custom("the transaction took longer than 10 s".into()))
}

fn backoff(attempt: u32) -> Duration {
    let ceiling = BACKOFF_FIRST * 2u32.saturating_pow(attempt);
    ceiling.mul_f64(rand::random_range(0.5..1.0))
}
