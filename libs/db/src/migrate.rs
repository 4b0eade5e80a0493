//! Brings a database to the schema that this version expects, one process at a time.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbBackend, IntoDatabaseExecutor, TransactionTrait};
use sea_orm_migration::MigratorTrait;

use crate::{Db, Error, Plan, plan};

const LOCK_TABLE: &str = "CREATE TABLE IF NOT EXISTS rapport_migration_lock (id INTEGER PRIMARY KEY)";
const LOCK_INSERT: &str = "INSERT INTO rapport_migration_lock (id) VALUES (1) ON CONFLICT DO NOTHING";
const LOCK_ROW: &str = "SELECT id FROM rapport_migration_lock WHERE id = 1 FOR UPDATE";
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Applies what is missing and returns how many migrations that were. Of two processes at once one waits.
///
/// # Errors
/// That the database refused, or what stood in the way for two minutes, such as another process.
pub async fn migrate<M: MigratorTrait>(db: &Db) -> Result<usize, Error> {
    if db.backend() == DbBackend::Sqlite {
        // The data-directory lock already keeps other processes away.
        return apply::<M, _>(db.writer()).await;
    }
    // Only the wait is bounded: a large table may take longer than any other process waits.
    let until = Instant::now() + WAIT_MAX;
    loop {
        match locked_apply::<M>(db).await {
            Err(error) if error.is_transient() || matches!(error, Error::Constraint(_)) => {
                if Instant::now() >= until {
                    let told = "this database could not be migrated for two minutes; another process may be \
                                migrating it";
                    return Err(Error::Settings(format!("{told}: {error}")));
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            outcome => return outcome,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "holds a lock row on one connection while another migrates")]
async fn locked_apply<M: MigratorTrait>(db: &Db) -> Result<usize, Error> {
    // Of two that create the table at once, one may be told that it, or its type, exists: it is there then.
    let created = db.writer().execute_unprepared(LOCK_TABLE).await;
    if let Err(error) = db.writer().execute_unprepared(LOCK_INSERT).await {
        return Err(created.err().unwrap_or(error).into());
    }
    let lock = db.writer().begin().await?;
    lock.execute_unprepared(LOCK_ROW).await?;
    let work = db.writer().begin().await?;
    work.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
    // What a migration changes, it changes of whole tables.
    plan(&work, Plan::ByTable).await?;
    let applied = apply::<M, _>(&work).await?;
    work.commit().await?;
    lock.commit().await?;
    Ok(applied)
}

async fn apply<M: MigratorTrait, C: ConnectionTrait>(db: &C) -> Result<usize, Error>
where
    for<'c> &'c C: IntoDatabaseExecutor<'c>,
{
    let pending = M::get_pending_migrations(db).await?.len();
    M::up(db, None).await?;
    Ok(pending)
}

/// Names of migrations that this version has and the database has not.
///
/// # Errors
/// That the database refused.
pub async fn pending_migrations<M: MigratorTrait>(db: &Db) -> Result<Vec<String>, Error> {
    let pending = M::get_pending_migrations(db.writer()).await?;
    Ok(pending.iter().map(|m| m.name().to_owned()).collect())
}
