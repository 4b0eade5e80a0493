//! Versioned snapshots of rows in front of a database, in this process or in Redis.
//!
//! The promise: a read that names a version never sees an older one, and no other read sees a state that was
//! replaced more than 30 s ago ([`AGE_MAX`]). Nothing here ever fails a caller: a store that is gone, slow,
//! wiped, read-only or full of garbage answers "miss" or is not written, within a stated budget, and writes
//! of the caller go on.
//!
//! How it holds: every value carries the version of its row, and a store takes a value only if it is newer
//! than what it has. What a reader brings from the database after a miss is taken only if nobody wrote the
//! key meanwhile, because what was written may be gone already. Every value also carries the machine moment
//! at which it was known to be the newest, and dies 30 s after it, whatever became of the writes that should
//! have replaced it.

mod error;
mod fill;
mod flights;
mod in_process;
mod key;
mod metrics;
mod remote;
mod settings;
mod snapshot;
mod trace;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ambient::Time;

pub use error::Error;
pub use fill::{Fill, Lookup};
pub use key::Key;
pub use settings::RedisSettings;
pub use snapshot::Snapshot;

use in_process::InProcess;
use remote::Remote;
use snapshot::{Entry, Limits};

/// No read is older than this, whatever failed: the last bound, in machine time.
pub const AGE_MAX: Duration = Duration::from_secs(30);

/// A cache of snapshots. Clones share the same store.
#[derive(Clone, Debug)]
pub struct Cache(Store);

#[derive(Clone, Debug)]
enum Store {
    Nothing,
    InProcess(Arc<InProcess>),
    Redis(Arc<Remote>),
}

impl Cache {
    /// Holds nothing: every read is a miss. A service on PostgreSQL without Redis caches no balances, because
    /// a replica cannot see what another one wrote.
    pub fn none() -> Cache {
        Cache(Store::Nothing)
    }

    /// Holds up to `capacity` snapshots in this process. For balances only where this process is the
    /// database's single writer.
    pub fn in_process(capacity: u64) -> Cache {
        Cache(Store::InProcess(Arc::new(InProcess::new(capacity))))
    }

    /// Holds snapshots in Redis. Returns at once and connects in the background, so a service starts without
    /// Redis; a URL that can never work is an error here. Needs a tokio runtime, and the global meter set
    /// before.
    pub fn redis(settings: RedisSettings) -> Result<Cache, Error> {
        Ok(Cache(Store::Redis(Arc::new(Remote::open(settings)?))))
    }

    /// Resolves when the store answers; at once for a store in this process. Waits as long as Redis is away:
    /// bound it.
    pub async fn ready(&self) {
        match &self.0 {
            Store::Nothing | Store::InProcess(_) => {}
            Store::Redis(remote) => remote.ready().await,
        }
    }

    /// Connects once, apart from the calls' connection, and says what is wrong if that fails.
    pub async fn check(&self) -> Result<(), Error> {
        match &self.0 {
            Store::Nothing | Store::InProcess(_) => Ok(()),
            Store::Redis(remote) => remote.check().await,
        }
    }

    /// The snapshot under `key` if it is still true at `now` (business time) and not older than
    /// `version_min`, which a caller's read token gives. `None` means: ask the database.
    pub async fn get(&self, key: &Key, now: Time, version_min: Option<i64>) -> Option<Snapshot> {
        let limits = Limits { now, version_min };
        match &self.0 {
            Store::Nothing => None,
            Store::InProcess(store) => store.get(key, limits),
            Store::Redis(remote) => remote.get(key, limits).await,
        }
    }

    /// As [`Cache::get`]; of all readers that miss a key at the same time, one reads the database for the
    /// others, which wait for it briefly: with Redis, within the time that one call may take. Whoever waited
    /// in vain reads for itself.
    pub async fn get_or_fill(&self, key: &Key, now: Time, version_min: Option<i64>) -> Lookup {
        let limits = Limits { now, version_min };
        match &self.0 {
            Store::Nothing => Lookup::alone(),
            Store::InProcess(store) => store.get_or_fill(key, limits).await,
            Store::Redis(remote) => remote.get_or_fill(key, limits).await,
        }
    }

    /// Publishes what a commit wrote; each snapshot is taken only if it is newer than what the store has.
    /// `as_of` is a moment at which all of them were the newest state or about to be: take it just before the
    /// commit.
    pub async fn put_many(&self, entries: &[(Key, Snapshot)], as_of: Instant) {
        let entries: Vec<_> = entries.iter().map(|(key, value)| (key, Entry::of(value, as_of))).collect();
        match &self.0 {
            Store::Nothing => {}
            Store::InProcess(store) => store.put_many(&entries),
            Store::Redis(remote) => remote.publish(&entries).await,
        }
    }

    /// Says that the row is at `version` or newer without saying what it holds: leaves a tombstone that
    /// refuses every older snapshot.
    pub async fn invalidate(&self, key: &Key, version: i64) {
        let entries = [(key, Entry::tombstone(version, Instant::now()))];
        match &self.0 {
            Store::Nothing => {}
            Store::InProcess(store) => store.put_many(&entries),
            Store::Redis(remote) => remote.publish(&entries).await,
        }
    }
}
