//! Statistics of tables that grow out of nothing, before PostgreSQL's own worker comes by.
//!
//! Statements are planned once and for all values. Of a table without statistics every index looks as good as
//! any other that begins with the same columns, so a look-up by a whole key may go by the part of it that all
//! rows share. Autovacuum ends that after a minute; whoever fills an empty database has filled it by then.

use std::collections::HashSet;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::Db;

/// How long a table may grow before it is looked at.
const PAUSE: Duration = Duration::from_millis(500);
/// Tables that nobody analysed, with as many rows as make a difference.
const UNKNOWN: &str = "SELECT relname FROM pg_stat_user_tables WHERE schemaname = current_schema() \
     AND last_analyze IS NULL AND last_autoanalyze IS NULL AND n_mod_since_analyze >= 200";

/// Analyses tables until it is dropped.
#[derive(Debug)]
pub struct Statistics(Option<JoinHandle<()>>);

impl Statistics {
    /// Analyses each table of `db` once when it has grown and nobody else has; SQLite needs none.
    pub fn keep(db: &Db) -> Statistics {
        let needed = db.backend() == DbBackend::Postgres;
        Statistics(needed.then(|| tokio::spawn(keep(db.clone()))))
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

async fn keep(db: Db) {
    // A role that does not own a table may not analyse it, and is not told so by an error.
    let mut done = HashSet::new();
    loop {
        sleep(PAUSE).await;
        if let Err(error) = analyse(&db, &mut done).await {
            tracing::debug!(%error, "tables could not be analysed");
        }
    }
}

async fn analyse(db: &Db, done: &mut HashSet<String>) -> Result<(), DbErr> {
    let unknown = Statement::from_string(DbBackend::Postgres, UNKNOWN);
    for row in db.reader().query_all_raw(unknown).await? {
        let table: String = row.try_get("", "relname")?;
        if !done.contains(&table) {
            db.reader().execute_unprepared(&format!("ANALYZE (SKIP_LOCKED) \"{table}\"")).await?;
            tracing::debug!(table, "analysed");
            done.insert(table);
        }
    }
    Ok(())
}
