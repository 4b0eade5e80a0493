//! The store in Redis: one multiplexed connection, one budget per call, and nothing at all while Redis is
//! away.

mod breaker;
mod endpoint;
mod keeper;
mod script;
mod unpublished;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use redis::Value;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::metrics::{Lost, Metrics};
use crate::snapshot::{Entry, Limits, Read};
use crate::wire::{self, Decoded};
use crate::{Error, Key, RedisSettings, Snapshot, trace};

use breaker::{Breaker, Failure, Link, Side};
use endpoint::Endpoint;
use script::Script;
use unpublished::Unpublished;

/// What the callers and the keeper share.
struct Shared {
    settings: RedisSettings,
    endpoint: Endpoint,
    script: Script,
    breaker: Breaker,
    unpublished: Unpublished,
    metrics: Metrics,
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
            script: Script::new(),
            unpublished: Unpublished::default(),
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
        self.shared.endpoint.connect(&self.shared.script).await.map(|_| ())
    }

    pub(crate) async fn get(&self, key: &Key, limits: Limits) -> Option<Snapshot> {
        let metrics = &self.shared.metrics;
        let raw = match self.shared.fetch(key).await {
            Ok(raw) => raw,
            Err(failure) => {
                metrics.read_lost(key, failure.lost());
                return None;
            }
        };
        let read = match raw.map(|raw| wire::decode(key, raw, wire::machine_now())) {
            Some(Decoded::Entry(entry)) => entry.read(limits),
            Some(Decoded::Dead) | None => Read::Miss,
            Some(Decoded::Garbage) => {
                metrics.read_lost(key, Lost::Garbage);
                return None;
            }
        };
        metrics.read(key, &read);
        match read {
            Read::Hit(snapshot) => Some(snapshot),
            Read::Miss | Read::Stale => None,
        }
    }

    /// Writes what was committed. What does not arrive is remembered, and older values of it are struck out
    /// before the breaker closes again.
    pub(crate) async fn publish(&self, entries: &[(&Key, Entry)]) {
        let arrived = self.offer(entries).await;
        for ((key, entry), arrived) in entries.iter().zip(arrived) {
            if !arrived {
                self.shared.unpublished.remember(key, entry.version);
            }
        }
    }

    /// Offers all entries in one round trip; says for each whether Redis has it or something newer.
    pub(crate) async fn offer(&self, entries: &[(&Key, Entry)]) -> Vec<bool> {
        let Some((first, _)) = entries.first() else { return Vec::new() };
        let metrics = &self.shared.metrics;
        let answers = trace::client("EVALSHA", first.kind(), self.shared.store(entries)).await;
        let (answers, lost) = match answers {
            Ok(answers) => (answers, Lost::Error),
            Err(failure) => (vec![None; entries.len()], failure.lost()),
        };
        for ((key, _), answer) in entries.iter().zip(&answers) {
            match answer {
                Some(taken) => metrics.written(key, *taken),
                None => metrics.write_lost(key, lost),
            }
        }
        answers.iter().map(Option::is_some).collect()
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
    /// The bytes under `key`, within the budget.
    async fn fetch(&self, key: &Key) -> Result<Option<Bytes>, Failure> {
        let mut link = self.breaker.link()?;
        let command = redis::cmd("GET").arg(key.text()).to_owned();
        let call = async {
            match timeout(self.settings.response_timeout, link.connection.one(&command)).await {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(error)) if error.code() == Some("WRONGTYPE") => Ok(Value::Okay),
                Ok(Err(error)) => Err(Failure::Refused(error)),
                Err(_) => Err(Failure::TimedOut),
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

    /// Offers all entries within the budget: `Some(taken)` for each that Redis answered.
    async fn store(&self, entries: &[(&Key, Entry)]) -> Result<Vec<Option<bool>>, Failure> {
        let mut link = self.breaker.link()?;
        let now = wire::machine_now();
        let work = self.script.set_if_newer(&mut link.connection, entries, now, || self.settings.ttl_drawn());
        let answer = match timeout(self.settings.response_timeout, work).await {
            Ok(Ok(answers)) => Ok(answers),
            Ok(Err(error)) => Err(Failure::Refused(error)),
            Err(_) => Err(Failure::TimedOut),
        };
        let refused = answer.as_ref().ok().and_then(|answers| answers.iter().find_map(|a| a.as_ref().err()));
        let refused = refused.cloned().map(Failure::Refused);
        self.settle(&link, Side::Writes, answer.as_ref().err().or(refused.as_ref()));
        Ok(answer?.into_iter().map(Result::ok).collect())
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
