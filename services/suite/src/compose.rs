//! The only composition root: puts services, stores, cache, clock and server together, and takes them apart.
//!
//! Only this file knows the two shapes. *Embedded*: SQLite in a data directory that this process holds alone,
//! the cache in this process, one lane, migrations applied by itself. *Service*: PostgreSQL shared with other
//! replicas, Redis or no cache at all, and no start while a migration is pending.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Ids};
use cache::{Cache, RedisSettings};
use db::{DataDir, Db};
use rpc::Authenticator;
use rpc::server::{self, Readiness, Running};
use telemetry::Telemetry;

use crate::settings::{LogFormat, Reflection, Settings, Synchronous};
use crate::{Failure, failure};

/// Snapshots that the in-process cache holds.
const CACHE_CAPACITY: u64 = 100_000;
/// How long the last spans may take to reach the collector.
const FLUSH: Duration = Duration::from_secs(5);

/// Where a service keeps what it must not forget.
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
        /// Lanes of this process.
        lanes: usize,
    },
}

/// What to do about migrations that the database lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Apply them.
    Migrate,
    /// Do not start.
    Refuse,
}

/// Everything that a suite is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the ledger is.
    pub store: Store,
    /// What to do about pending migrations.
    pub pending: Pending,
    /// Addresses and limits.
    pub server: server::Settings,
    /// Business time.
    pub clock: Clock,
    /// Where identifiers come from.
    pub ids: Ids,
}

impl Plan {
    /// A suite as the settings describe it: embedded unless they name a database.
    pub fn of(settings: &Settings, pending: Pending) -> Plan {
        Plan {
            store: Store::of(settings),
            pending,
            server: server_settings(settings),
            clock: Clock::System,
            ids: Ids::Random,
        }
    }
}

impl Store {
    /// The store that the settings describe.
    pub fn of(settings: &Settings) -> Store {
        let (database, redis) = (&settings.loyalty.database, &settings.loyalty.redis);
        if database.url.is_empty() {
            let synchronous = match database.synchronous {
                Synchronous::Full => db::Synchronous::Full,
                Synchronous::Normal => db::Synchronous::Normal,
            };
            return Store::Embedded { data_dir: settings.data_dir.clone(), synchronous };
        }
        let redis = (!redis.url.is_empty())
            .then(|| RedisSettings { cluster: redis.cluster, ..RedisSettings::new(redis.url.as_str()) });
        let (url, connections_max) = (database.url.clone(), database.connections_max);
        Store::Service { url, connections_max, redis, lanes: settings.loyalty.lanes }
    }

    /// Opens the database; the directory lock, if there is one, must outlive it.
    async fn open(&self) -> Result<(Db, Option<DataDir>), Failure> {
        match self {
            Store::Embedded { data_dir, synchronous } => {
                let lock = DataDir::lock(data_dir)?;
                let file = lock.database_file("loyalty")?;
                let settings = db::Settings::Sqlite { file, synchronous: *synchronous };
                Ok((Box::pin(Db::connect(&settings)).await?, Some(lock)))
            }
            Store::Service { url, connections_max, .. } => {
                let settings = db::Settings::Postgres { url: url.clone(), connections_max: *connections_max };
                let opened = Box::pin(Db::connect(&settings)).await.map_err(|error| match &error {
                    db::Error::Settings(line) => {
                        Failure::usage(format!("setting `loyalty.database.url`: {line}"))
                    }
                    _ => Failure::failed(failure::chain(&error)),
                });
                Ok((opened?, None))
            }
        }
    }

    fn cache(&self) -> Result<Cache, Failure> {
        match self {
            Store::Embedded { .. } => Ok(Cache::in_process(CACHE_CAPACITY)),
            Store::Service { redis: None, .. } => Ok(Cache::none()),
            Store::Service { redis: Some(redis), .. } => Cache::redis(redis.clone()).map_err(|error| {
                Failure::usage(format!("setting `loyalty.redis.url`: {}", failure::chain(&error)))
            }),
        }
    }

    fn lanes(&self) -> usize {
        match self {
            Store::Embedded { .. } => 1,
            Store::Service { lanes, .. } => *lanes,
        }
    }
}

/// A suite that answers.
#[derive(Debug)]
pub struct Suite {
    running: Running,
    loyalty: Arc<loyalty::Service>,
    db: Db,
    /// Held until everything else has ended.
    _lock: Option<DataDir>,
}

impl Suite {
    /// Starts what `plan` describes; when this returns, calls are answered.
    pub async fn start(plan: Plan) -> Result<Suite, Failure> {
        if Authenticator::default().is_open()
            && !plan.server.insecure
            && !plan.server.listen.ip().is_loopback()
        {
            // The server would refuse it too, but only after the database was touched.
            return Err(server::Error::Open(plan.server.listen).into());
        }
        let (db, lock) = plan.store.open().await?;
        match plan.pending {
            Pending::Migrate => {
                db::migrate::<loyalty::Migrator>(&db).await?;
            }
            Pending::Refuse => refuse_pending(&db).await?,
        }
        let cache = plan.store.cache()?;
        let settings = loyalty::Settings { lanes: plan.store.lanes(), ..loyalty::Settings::default() };
        let deps = loyalty::Deps { db: db.clone(), cache, clock: plan.clock, ids: plan.ids };
        let loyalty = Arc::new(loyalty::build(settings, deps).await?);
        let bound = server::bind(&plan.server, &[proto::FILE_DESCRIPTOR_SET])?;
        let asked = loyalty.clone();
        let readiness = Readiness::new(move || {
            let loyalty = asked.clone();
            async move { loyalty.is_ready().await }
        });
        let running = bound.serve(loyalty.routes(), &loyalty::Service::names(), readiness).await?;
        Ok(Suite { running, loyalty, db, _lock: lock })
    }

    /// Where calls are answered.
    pub fn rpc_addr(&self) -> SocketAddr {
        self.running.rpc_addr
    }

    /// Where health and metrics are answered.
    pub fn ops_addr(&self) -> SocketAddr {
        self.running.ops_addr
    }

    /// The ledger's database.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Ends everything in order; true if every call under way could end too.
    pub async fn shutdown(mut self, telemetry: Option<&Telemetry>) -> bool {
        self.running.stop_advertising().await;
        self.loyalty.stop_workers().await;
        let drained = self.running.drain().await;
        self.loyalty.close().await;
        self.db.close().await;
        if let Some(telemetry) = telemetry {
            telemetry.shutdown(FLUSH).await;
        }
        self.running.close_ops().await;
        drained
    }
}

async fn refuse_pending(db: &Db) -> Result<(), Failure> {
    let pending = db::pending_migrations::<loyalty::Migrator>(db).await?;
    match pending.first() {
        None => Ok(()),
        Some(first) => Err(Failure::failed(format!(
            "the database lacks {} migration(s), beginning with {first}; run `rapport migrate` with the same \
             database URL first",
            pending.len()
        ))),
    }
}

/// Applies the migrations that the database lacks and says how many those were.
pub async fn migrate(store: &Store) -> Result<usize, Failure> {
    let (db, _lock) = store.open().await?;
    let applied = db::migrate::<loyalty::Migrator>(&db).await;
    db.close().await;
    Ok(applied?)
}

/// Opens an embedded ledger for reading, beside a running suite or without one.
pub async fn open_read_only(data_dir: &Path) -> Result<Db, Failure> {
    Ok(Box::pin(Db::open_read_only(&data_dir.join("loyalty.sqlite"))).await?)
}

fn server_settings(settings: &Settings) -> server::Settings {
    let from = &settings.server;
    server::Settings {
        insecure: from.insecure,
        reflection: match from.reflection {
            Reflection::Auto => from.listen.ip().is_loopback(),
            Reflection::On => true,
            Reflection::Off => false,
        },
        deadline_max: Duration::from_millis(from.deadline_max_ms),
        in_flight_max: from.in_flight_max,
        queue_max: from.queue_max,
        connections_max: from.connections_max,
        drain: Duration::from_millis(from.drain_ms),
        ..server::Settings::new(from.listen, from.ops_listen)
    }
}

/// Telemetry as the settings describe it.
pub fn telemetry_settings(settings: &Settings, service_name: &str) -> telemetry::Settings {
    let from = &settings.telemetry;
    telemetry::Settings {
        service_name: service_name.to_owned(),
        otlp_endpoint: (!from.otlp_endpoint.is_empty()).then(|| from.otlp_endpoint.clone()),
        trace_sample_ratio: from.trace_sample_ratio,
        log_level: from.log_level.clone(),
        log_format: match from.log_format {
            LogFormat::Auto => telemetry::LogFormat::Auto,
            LogFormat::Json => telemetry::LogFormat::Json,
            LogFormat::Pretty => telemetry::LogFormat::Pretty,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_makes_the_difference() {
        let mut settings = Settings::default();
        assert!(matches!(Store::of(&settings), Store::Embedded { .. }));
        assert_eq!(Store::of(&settings).lanes(), 1);
        settings.loyalty.database.url = "postgres://h/db".to_owned();
        settings.loyalty.lanes = 3;
        assert!(matches!(Store::of(&settings), Store::Service { redis: None, .. }));
        assert_eq!(Store::of(&settings).lanes(), 3);
        settings.loyalty.redis.url = "redis://h".to_owned();
        assert!(matches!(Store::of(&settings), Store::Service { redis: Some(_), .. }));
    }

    #[test]
    fn reflection_is_off_beyond_loopback_unless_asked_for() {
        let mut settings = Settings::default();
        assert!(server_settings(&settings).reflection);
        settings.server.listen = "0.0.0.0:1".parse().unwrap();
        assert!(!server_settings(&settings).reflection);
        settings.server.reflection = Reflection::On;
        assert!(server_settings(&settings).reflection);
    }
}
