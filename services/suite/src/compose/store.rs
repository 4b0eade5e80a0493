//! Where a service keeps what it must not forget: the one difference between the two shapes.

use std::path::{Path, PathBuf};

use cache::{Cache, RedisSettings};
use db::{DataDir, Db};

use super::Role;
use crate::settings::{Settings, Synchronous};
use crate::{Failure, failure};

/// Snapshots that the in-process cache holds.
const CACHE_CAPACITY: u64 = 100_000;

/// A service's database, with what stands in front of it.
#[derive(Clone, Debug)]
pub enum Store {
    /// SQLite in a directory that this process holds alone.
    Embedded {
        /// The directory; created if it is missing.
        data_dir: PathBuf,
        /// Whether acknowledged means durable.
        synchronous: db::Synchronous,
    },
    /// PostgreSQL, shared with other processes.
    Service {
        /// Where it is.
        url: String,
        /// Connections of this process.
        connections_max: u32,
        /// What stands in front of it.
        redis: Option<RedisSettings>,
    },
}

/// The directory of the embedded databases, locked when the first of them is opened.
#[derive(Debug, Default)]
pub(super) struct Lock(Option<DataDir>);

impl Store {
    /// A service's store as the settings describe it: embedded unless they name a database.
    pub fn of(settings: &Settings, role: Role) -> Store {
        let database = match role {
            Role::Feedback => &settings.feedback.database,
            Role::Scoring => &settings.scoring.database,
            Role::Loyalty => &settings.loyalty.database,
            Role::Notification => &settings.notification.database,
        };
        if database.url.is_empty() {
            let synchronous = match database.synchronous {
                Synchronous::Full => db::Synchronous::Full,
                Synchronous::Normal => db::Synchronous::Normal,
            };
            return Store::Embedded { data_dir: settings.data_dir.clone(), synchronous };
        }
        let redis = &settings.loyalty.redis;
        let redis = (role == Role::Loyalty && !redis.url.is_empty())
            .then(|| RedisSettings { cluster: redis.cluster, ..RedisSettings::new(redis.url.as_str()) });
        let (url, connections_max) = (database.url.clone(), database.connections_max);
        Store::Service { url, connections_max, redis }
    }

    /// Opens the database of `service`; the lock must outlive it.
    pub(super) async fn open(&self, service: &str, lock: &mut Lock) -> Result<Db, Failure> {
        match self {
            Store::Embedded { data_dir, synchronous } => {
                let file = lock.take(data_dir)?.database_file(service)?;
                let settings = db::Settings::Sqlite { file, synchronous: *synchronous };
                Ok(Box::pin(Db::connect(&settings)).await?)
            }
            Store::Service { url, connections_max, .. } => {
                let settings = db::Settings::Postgres { url: url.clone(), connections_max: *connections_max };
                Box::pin(Db::connect(&settings)).await.map_err(|error| match &error {
                    db::Error::Settings(line) => {
                        Failure::usage(format!("setting `{service}.database.url`: {line}"))
                    }
                    _ => Failure::failed(failure::chain(&error)),
                })
            }
        }
    }

    pub(super) fn cache(&self) -> Result<Cache, Failure> {
        match self {
            Store::Embedded { .. } => Ok(Cache::in_process(CACHE_CAPACITY)),
            Store::Service { redis: None, .. } => Ok(Cache::none()),
            Store::Service { redis: Some(redis), .. } => Cache::redis(redis.clone()).map_err(|error| {
                Failure::usage(format!("setting `loyalty.redis.url`: {}", failure::chain(&error)))
            }),
        }
    }

    /// For people.
    pub fn describe(&self) -> String {
        match self {
            Store::Embedded { data_dir, .. } => format!("SQLite in {}", data_dir.display()),
            Store::Service { redis: Some(_), .. } => "PostgreSQL and Redis".to_owned(),
            Store::Service { redis: None, .. } => "PostgreSQL".to_owned(),
        }
    }
}

impl Lock {
    fn take(&mut self, data_dir: &Path) -> Result<&DataDir, Failure> {
        match &mut self.0 {
            Some(held) => Ok(held),
            empty => Ok(empty.insert(DataDir::lock(data_dir)?)),
        }
    }
}

/// Opens an embedded ledger for reading, beside a running suite or without one.
pub async fn open_read_only(data_dir: &Path) -> Result<Db, Failure> {
    Ok(Box::pin(Db::open_read_only(&data_dir.join("loyalty.sqlite"))).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_makes_the_difference() {
        let mut settings = Settings::default();
        assert!(matches!(Store::of(&settings, Role::Loyalty), Store::Embedded { .. }));
        settings.loyalty.database.url = "postgres://h/db".to_owned();
        assert!(matches!(Store::of(&settings, Role::Loyalty), Store::Service { redis: None, .. }));
        assert!(matches!(Store::of(&settings, Role::Notification), Store::Embedded { .. }));
        settings.loyalty.redis.url = "redis://h".to_owned();
        assert!(matches!(Store::of(&settings, Role::Loyalty), Store::Service { redis: Some(_), .. }));
    }
}
