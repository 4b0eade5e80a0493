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

/// One of the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Listens to customers.
    Feedback,
    /// Measures.
    Scoring,
    /// Rewards.
    Loyalty,
    /// Speaks up.
    Notification,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 4] = [Role::Feedback, Role::Scoring, Role::Loyalty, Role::Notification];

    /// Its name in settings, files and log lines.
    pub fn name(self) -> &'static str {
        match self {
            Role::Feedback => "feedback",
            Role::Scoring => "scoring",
            Role::Loyalty => "loyalty",
            Role::Notification => "notification",
        }
    }

    /// Whether it takes the events of others.
    pub fn takes_events(self) -> bool {
        matches!(self, Role::Scoring | Role::Notification)
    }

    /// Whether it leaves events for others.
    pub fn leaves_events(self) -> bool {
        matches!(self, Role::Feedback | Role::Loyalty)
    }

    async fn apply(self, db: &Db) -> Result<usize, db::Error> {
        match self {
            Role::Feedback => db::migrate::<feedback::Migrator>(db).await,
            Role::Scoring => db::migrate::<scoring::Migrator>(db).await,
            Role::Loyalty => db::migrate::<loyalty::Migrator>(db).await,
            Role::Notification => db::migrate::<notification::Migrator>(db).await,
        }
    }

    async fn pending(self, db: &Db) -> Result<Vec<String>, db::Error> {
        match self {
            Role::Feedback => db::pending_migrations::<feedback::Migrator>(db).await,
            Role::Scoring => db::pending_migrations::<scoring::Migrator>(db).await,
            Role::Loyalty => db::pending_migrations::<loyalty::Migrator>(db).await,
            Role::Notification => db::pending_migrations::<notification::Migrator>(db).await,
        }
    }
}

/// Opens a service's database with the schema of this version.
pub(super) async fn open(
    role: Role,
    store: &Store,
    lock: &mut Lock,
    pending: Pending,
) -> Result<Db, Failure> {
    let db = store.open(role.name(), lock).await?;
    match pending {
        Pending::Migrate => drop(role.apply(&db).await?),
        Pending::Refuse => refuse_pending(role, &db).await?,
    }
    Ok(db)
}

async fn refuse_pending(role: Role, db: &Db) -> Result<(), Failure> {
    let pending = role.pending(db).await?;
    match pending.first() {
        None => Ok(()),
        Some(first) => Err(Failure::failed(format!(
            "the database lacks {} migration(s), beginning with {first}; run `rapport migrate {}` with the \
             same database URL first",
            pending.len(),
            role.name()
        ))),
    }
}

/// Applies the migrations that a database lacks and says how many those were.
pub async fn migrate(role: Role, store: &Store) -> Result<usize, Failure> {
    let mut lock = Lock::default();
    let db = store.open(role.name(), &mut lock).await?;
    let applied = role.apply(&db).await;
    db.close().await;
    Ok(applied?)
}

/// Derives scores and profiles anew and says from how many observations.
pub async fn rebuild(store: &Store) -> Result<u64, Failure> {
    let mut lock = Lock::default();
    let db = open(Role::Scoring, store, &mut lock, Pending::Refuse).await?;
    let rebuilt = scoring::rebuild(&db).await;
    db.close().await;
    Ok(rebuilt?)
}
