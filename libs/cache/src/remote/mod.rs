//! The store in Redis: one multiplexed connection, one budget per call, and nothing at all while Redis is
//! away.

mod breaker;
mod endpoint;
mod keeper;
mod lease;
mod offer;
mod script;
mod unpublished;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use redis::{Cmd, RedisResult, Value};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::flights::{Flights, Patience};
use crate::metrics::{Lost, Metrics};
use crate::snapshot::{Entry, Limits, Read};
use crate::wire::{self, Decoded};
use crate::{Error, Key, Lookup, RedisSettings, Snapshot, trace};

use breaker::{Breaker, Failure, Link, Side};
use endpoint::Endpoint;
use script::{Script, Scripts};
use unpublished::Unpublished;

pub(crate) use lease::Lease;

/// What the callers and the keeper share.
struct Shared {
    settings: RedisSettings,
    endpoint: Endpoint,
    scripts: Scripts,
    breaker: Breaker,
    unpublished: Unpublished,
    flights: Arc<Flights>,
    metrics: Metrics,
}

/// What one look at Redis brings.
enum Look {
    Hit(Snapshot),
    /// These bytes, if any, which the reader cannot use.
    Miss(Bytes),
    /// No answer.
    Lost,
}

pub(crate) struct Remote {
    shared: Arc<Shared>,
    keeper: JoinHandle<()>,
}

impl Remote {
    /// Checks the settings and starts the keeper, which connects in the background.
    pub(crate) fn open(settings: RedisSettings) -> Result<Remote, Error> {
        settings.check()?;
        let endpoint = Endpoint::new(&settings)?;
        let shared = Arc::new(Shared {
            breaker: Breaker::new(settings.failures_max),
            scripts: Scripts::new(),
            unpublished: Unpublished::default(),
            flights: Arc::default(),
            metrics: Metrics::new("redis"),
            endpoint,
            settings,
        });
        let keeper = tokio::spawn(keeper::keep(Arc::clone(&shared)));
        Ok(Remote { shared, keeper })
    }

    pub(crate) async fn ready(&self) {
        self.shared.breaker.closed().await;
    }

    pub(crate) async fn check(&self) -> Result<(), Error> {
        self.shared.endpoint.connect(&self.shared.scripts).await.map(|_| ())
    }

    pub(crate) async fn get(&self, key: &Key, limits: Limits) -> Option<Snapshot> {
        match self.shared.look(key, self.shared.narrow(key, limits)).await {
            Look::Hit(snapshot) => Some(snapshot),
            Look::Miss(_) | Look::Lost => None,
        }
    }

    /// All of it ends within the budget of one call.
    pub(crate) async fn get_or_fill(&self, key: &Key, limits: Limits) -> Lookup {
        let patience = Patience::of(self.shared.settings.response_timeout);
        let limits = self.shared.narrow(key, limits);
        match self.shared.look(key, limits).await {
            Look::Hit(snapshot) => Lookup::Hit(snapshot),
            Look::Miss(seen) => Box::pin(lease::get_or_fill(&self.shared, key, limits, seen, patience)).await,
            Look::Lost => Lookup::alone(),
        }
    }

    pub(crate) async fn publish(&self, entries: &[(&Key, Entry)]) {
        self.shared.publish(entries).await;
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl Shared {
    /// Looks at Redis once.
    async fn look(&self, key: &Key, limits: Limits) -> Look {
        let fetched = match self.unpublished.is_blind(Instant::now()) {
            true => Err(Failure::Open),
            false => self.fetch(key, self.settings.response_timeout).await,
        };
        let raw = match fetched {
            Ok(raw) => raw,
            Err(failure) => {
                self.metrics.read_lost(key, failure.lost());
                return Look::Lost;
            }
        };
        let seen = raw.clone().unwrap_or_default();
        let read = match raw.map(|raw| wire::decode(key, raw, wire::machine_now())) {
            Some(Decoded::Entry(entry)) => entry.read(limits),
            Some(Decoded::Leased | Decoded::Dead { .. }) | None => Read::Miss,
            Some(Decoded::Garbage) => {
                self.metrics.read_lost(key, Lost::Garbage);
                return Look::Miss(seen);
            }
        };
        self.metrics.read(key, &read);
        match read {
            Read::Hit(snapshot) => Look::Hit(snapshot),
            Read::Miss | Read::Stale => Look::Miss(seen),
        }
    }

    /// The limits of a read that begins now: nothing that this process knows to be replaced.
    fn narrow(&self, key: &Key, limits: Limits) -> Limits {
        Limits { version_min: limits.version_min.max(self.unpublished.version_min(key)), ..limits }
    }

    /// The bytes under `key`, within `budget`.
    async fn fetch(&self, key: &Key, budget: Duration) -> Result<Option<Bytes>, Failure> {
        let mut link = self.breaker.link()?;
        let command = redis::cmd("GET").arg(key.text()).to_owned();
        let call = async {
            match timeout(budget, link.connection.one(&command)).await {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(error)) if error.code() == Some("WRONGTYPE") => Ok(Value::Okay),
                Ok(Err(error)) => Err(Failure::Refused(error)),
                Err(_) => Err(self.timed_out(budget)),
            }
        };
        let answer = trace::client("GET", key.kind(), call).await;
        self.settle(&link, Side::Reads, answer.as_ref().err());
        match answer? {
            Value::Nil => Ok(None),
            Value::BulkString(raw) => Ok(Some(raw.into())),
            // Something that is not a string stands under our key: garbage like any other.
            _ => Ok(Some(Bytes::new())),
        }
    }

    /// Runs calls of a script within `budget`; none is made while the breaker is open.
    async fn run(
        &self,
        script: &Script,
        budget: Duration,
        calls: impl FnOnce() -> Vec<Cmd>,
    ) -> Result<Vec<RedisResult<Value>>, Failure> {
        let mut link = self.breaker.link()?;
        let calls = calls();
        let answers = match timeout(budget, script.run(&mut link.connection, &calls)).await {
            Ok(Ok(answers)) => Ok(answers),
            Ok(Err(error)) => Err(Failure::Refused(error)),
            Err(_) => Err(self.timed_out(budget)),
        };
        let refused = answers.as_ref().ok().and_then(|answers| answers.iter().find_map(|a| a.as_ref().err()));
        let refused = refused.cloned().map(Failure::Refused);
        self.settle(&link, Side::Writes, answers.as_ref().err().or(refused.as_ref()));
        answers
    }

    /// What no answer within `budget` means: less than a whole one says nothing about Redis.
    fn timed_out(&self, budget: Duration) -> Failure {
        if budget < self.settings.response_timeout { Failure::OutOfPatience } else { Failure::TimedOut }
    }

    /// Counts the outcome of a call; the failure that opens the breaker is logged once.
    fn settle(&self, link: &Link, side: Side, failure: Option<&Failure>) {
        match failure {
            None => self.breaker.succeeded(side),
            Some(failure) => {
                if self.breaker.failed(link, side, failure) {
                    self.metrics.breaker(true);
                    tracing::warn!(error = %failure, "the cache is left alone: Redis failed too often");
                }
            }
        }
    }
}
