//! Statistics of tables that grow out of nothing, before PostgreSQL's own worker comes by.
//!
//! Statements are planned once and for all values. Of a table without statistics every index looks as good as
//! any other that begins with the same columns, so a look-up by a whole key may go by the part of it that all
//! rows share. Autovacuum ends that within a minute or so; whoever fills an empty database has filled it by
//! then.

use std::collections::HashSet;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::Db;

/// How long a table may grow before it is looked at.
const PAUSE: Duration = Duration::from_millis(500);
/// Our tables that nobody analysed, with as many changed rows as make a difference. Others' tables may not be
/// analysed.
const UNKNOWN: &str = "SELECT format('%I.%I', s.schemaname, s.relname) AS name FROM pg_stat_user_tables s \
     JOIN pg_class c ON c.oid = s.relid WHERE s.schemaname = current_schema() \
     AND pg_get_userbyid(c.relowner) = current_user \
     AND s.last_analyze IS NULL AND s.last_autoanalyze IS NULL AND s.n_mod_since_analyze >= 200";

/// Analyses tables until it is dropped.
#[derive(Debug)]
pub struct Statistics(Option<JoinHandle<()>>);

impl Statistics {
    /// Analyses each table of `db` once when many of its rows have changed and nobody else has analysed it;
    /// SQLite needs none.
    pub fn keep(db: &Db) -> Statistics {
        let needed = db.backend() == DbBackend::Postgres;
        Statistics(needed.then(|| tokio::spawn(keep(db.clone()))))
    }

    /// Ends it.
    pub fn stop(&self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn keep(db: Db) {
    // What fails, fails every time: autovacuum may do better.
    let mut tried = HashSet::new();
    loop {
        sleep(PAUSE).await;
        if let Err(error) = analyse(&db, &mut tried).await {
            tracing::debug!(%error, "a table could not be analysed");
        }
    }
}

async fn analyse(db: &Db, tried: &mut HashSet<String>) -> Result<(), DbErr> {
    let unknown = Statement::from_string(DbBackend::Postgres, UNKNOWN);
    for row in db.reader().query_all_raw(unknown).await? {
        let table: String = row.try_get("", "name")?;
        if tried.insert(table.clone()) {
            db.reader().execute_unprepared(&format!("ANALYZE (SKIP_LOCKED) {table}")).await?;
        }
    }
    Ok(())
}
