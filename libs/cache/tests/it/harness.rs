//! What the tests on a real Redis share: short budgets, one key, and waiting that ends.

use std::time::{Duration, Instant};

use ambient::Time;
use bytes::Bytes;
use rapport_cache::{Cache, Fill, Key, Lookup, RedisSettings, Snapshot};

use crate::redis_server::RedisServer;

pub(crate) const NOW: Time = Time::from_micros(1_000);

/// No fault here may take longer to heal, on a busy machine.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// The name of [`key`] in Redis.
pub(crate) const NAME: &[u8] = b"{acme:m-1}:balance";

pub(crate) fn key() -> Key {
    Key::new("acme", "m-1", "balance")
}

pub(crate) fn snapshot(version: i64) -> Snapshot {
    Snapshot { version, valid_until: Time::NEVER, bytes: Bytes::from(format!("version {version}")) }
}

pub(crate) fn settings(server: &RedisServer) -> RedisSettings {
    // A hundred budgets of the default: a busy machine may stop any of the processes for a while.
    let response_timeout = Duration::from_secs(5);
    let half_open_after = Duration::from_millis(20);
    RedisSettings { response_timeout, half_open_after, failures_max: 3, ..RedisSettings::new(server.url()) }
}

pub(crate) async fn connected(server: &RedisServer) -> Cache {
    connected_with(settings(server)).await
}

/// As [`connected`], for what waits until it has waited too long.
pub(crate) async fn hasty(server: &RedisServer) -> Cache {
    connected_with(RedisSettings { response_timeout: Duration::from_millis(500), ..settings(server) }).await
}

pub(crate) async fn connected_with(settings: RedisSettings) -> Cache {
    let cache = Cache::redis(settings).unwrap();
    tokio::time::timeout(BOUND, cache.ready()).await.expect("Redis answers");
    cache
}

pub(crate) async fn put(cache: &Cache, version: i64) {
    bounded(cache.put_many(&[(key(), snapshot(version))], Instant::now())).await;
}

pub(crate) async fn version(cache: &Cache) -> Option<i64> {
    bounded(cache.get(&key(), NOW, None)).await.map(|snapshot| snapshot.version)
}

/// The fill that a reader gets who finds nothing.
pub(crate) async fn missed(cache: &Cache) -> Fill {
    match bounded(cache.get_or_fill(&key(), NOW, None)).await {
        Lookup::Miss(fill) => fill,
        Lookup::Hit(snapshot) => panic!("nothing may be found, but {snapshot:?} was"),
    }
}

pub(crate) async fn bounded<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, call).await.expect("every call is bounded")
}

/// Asks again and again until the answer is yes.
pub(crate) async fn eventually(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let mut beat = tokio::time::interval(Duration::from_millis(5));
    let asking = async {
        while !ask().await {
            beat.tick().await;
        }
    };
    assert!(tokio::time::timeout(BOUND, asking).await.is_ok(), "not within {BOUND:?}: {what}");
}

/// The value of the first line of the process's metrics with this name and these labels.
pub(crate) fn metric(name: &str, labels: &str) -> Option<f64> {
    let text = telemetry::render_metrics();
    let line = text.lines().find(|line| line.starts_with(name) && line.contains(labels))?;
    line.rsplit(' ').next()?.parse().ok()
}
