//! Migrations of every service, by name.

use db::Db;

use super::store::{Lock, Store};
use crate::Failure;

/// What to do about migrations that a database lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Apply them.
    Migrate,
    /// Do not start.
    Refuse,
}

/// A service with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// `loyalty`.
    Loyalty,
    /// `notification`.
    Notification,
}

impl Owner {
    /// Its name in settings, files and log lines.
    pub fn name(self) -> &'static str {
        match self {
            Owner::Loyalty => "loyalty",
            Owner::Notification => "notification",
        }
    }

    async fn apply(self, db: &Db) -> Result<usize, db::Error> {
        match self {
            Owner::Loyalty => db::migrate::<loyalty::Migrator>(db).await,
            Owner::Notification => db::migrate::<notification::Migrator>(db).await,
        }
    }

    async fn pending(self, db: &Db) -> Result<Vec<String>, db::Error> {
        match self {
            Owner::Loyalty => db::pending_migrations::<loyalty::Migrator>(db).await,
            Owner::Notification => db::pending_migrations::<notification::Migrator>(db).await,
        }
    }
}

/// Opens a service's database with the schema of this version.
pub(super) async fn open(
    owner: Owner,
    store: &Store,
    lock: &mut Lock,
    pending: Pending,
) -> Result<Db, Failure> {
    let db = store.open(owner.name(), lock).await?;
    match pending {
        Pending::Migrate => drop(owner.apply(&db).await?),
        Pending::Refuse => refuse_pending(owner, &db).await?,
    }
    Ok(db)
}

async fn refuse_pending(owner: Owner, db: &Db) -> Result<(), Failure> {
    let pending = owner.pending(db).await?;
    match pending.first() {
        None => Ok(()),
        Some(first) => Err(Failure::failed(format!(
            "the database lacks {} migration(s), beginning with {first}; run `rapport migrate {}` with the \
             same database URL first",
            pending.len(),
            owner.name()
        ))),
    }
}

/// Applies the migrations that a database lacks and says how many those were.
pub async fn migrate(owner: Owner, store: &Store) -> Result<usize, Failure> {
    let mut lock = Lock::default();
    let db = store.open(owner.name(), &mut lock).await?;
    let applied = owner.apply(&db).await;
    db.close().await;
    Ok(applied?)
}
