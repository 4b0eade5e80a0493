//! How Redis is reached.

use std::fmt;
use std::time::Duration;

use crate::{AGE_MAX, Error};

/// Settings of the Redis store.
#[derive(Clone)]
pub struct RedisSettings {
    /// `redis://[user:password@]host[:port][/database]`, `rediss://` for TLS; for a cluster one or more of
    /// its nodes, separated by commas.
    pub url: String,
    /// Whether the URL names nodes of a Redis Cluster.
    pub cluster: bool,
    /// What one call may take, waiting and retries included; afterwards a read is a miss.
    pub response_timeout: Duration,
    /// What connecting may take; it happens in the background.
    pub connect_timeout: Duration,
    /// The longest life of a value, at most [`AGE_MAX`]. Each value draws its own from 80 to 100 % of it, so
    /// that values written together do not expire together.
    pub ttl: Duration,
    /// Consecutive failures after which Redis is left alone.
    pub failures_max: u32,
    /// How long Redis is left alone before the next attempt.
    pub half_open_after: Duration,
}

impl RedisSettings {
    /// The defaults for the server at `url`.
    pub fn new(url: impl Into<String>) -> RedisSettings {
        RedisSettings {
            url: url.into(),
            cluster: false,
            response_timeout: Duration::from_millis(50),
            connect_timeout: Duration::from_secs(1),
            ttl: AGE_MAX,
            failures_max: 5,
            half_open_after: Duration::from_secs(1),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let durations = [
            ("response_timeout", self.response_timeout),
            ("connect_timeout", self.connect_timeout),
            ("ttl", self.ttl),
            ("half_open_after", self.half_open_after),
        ];
        if let Some((name, _)) = durations.into_iter().find(|(_, duration)| duration.is_zero()) {
            return Err(Error::Zero { name });
        }
        if self.failures_max == 0 {
            return Err(Error::Zero { name: "failures_max" });
        }
        Ok(())
    }

    /// A life drawn from 80 to 100 % of the longest one.
    pub(crate) fn ttl_drawn(&self) -> Duration {
        self.ttl.min(AGE_MAX).mul_f64(rand::random_range(0.8..=1.0))
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("url", &"(hidden)")
            .field("cluster", &self.cluster)
            .field("response_timeout", &self.response_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("ttl", &self.ttl)
            .field("failures_max", &self.failures_max)
            .field("half_open_after", &self.half_open_after)
            .finish()
    }
}
