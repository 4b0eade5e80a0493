//! What a process failed to publish: it never reads anything older, and strikes it out for the others.

use std::time::{Duration, Instant};

use futures::FutureExt;
use rapport_cache::{Cache, Key, RedisSettings, Snapshot};

use crate::harness::{
    BOUND, NOW, bounded, connected, connected_with, eventually, hasty, key, put, settings, snapshot, version,
};
use crate::redis_server::RedisServer;

fn entries(owners: std::ops::Range<usize>, version: i64) -> Vec<(Key, Snapshot)> {
    owners.map(|owner| (Key::new("acme", owner, "balance"), snapshot(version))).collect()
}

/// The breaker opens, so that what is written from here on is not even sent.
async fn cut_off(server: &RedisServer, cache: &Cache) {
    server.hang(true);
    for _ in 0..3 {
        assert_eq!(version(cache).await, None);
    }
}

#[tokio::test]
async fn a_lost_write_hides_what_is_older_at_once_and_strikes_it_out_later() {
    let server = RedisServer::start(&["--maxmemory-policy", "noeviction"]);
    // The breaker stays closed.
    let writer = connected_with(RedisSettings { failures_max: 1_000_000, ..settings(&server) }).await;
    let reader = connected(&server).await;
    put(&writer, 5).await;
    server.tell(&[b"CONFIG", b"SET", b"maxmemory", b"1"]).await;
    put(&writer, 6).await;
    assert_eq!(version(&reader).await, Some(5), "nobody could tell");
    assert_eq!(version(&writer).await, None);
    server.tell(&[b"CONFIG", b"SET", b"maxmemory", b"0"]).await;
    eventually("version 5 is struck out", async || version(&reader).await.is_none()).await;
}

#[tokio::test]
async fn a_write_whose_caller_goes_away_is_remembered() {
    let server = RedisServer::start(&[]);
    let [writer, reader] = [connected(&server).await, connected(&server).await];
    put(&writer, 5).await;
    // The connection drops a command whose caller has gone before it was sent.
    assert!(writer.put_many(&[(key(), snapshot(6))], Instant::now()).now_or_never().is_none());
    assert_eq!(version(&writer).await, None);
    eventually("version 5 is struck out", async || version(&reader).await.is_none()).await;
}

#[tokio::test]
async fn what_is_newer_than_the_lost_write_stays() {
    let mut server = RedisServer::start(&[]);
    server.kill();
    // Comes back after the other process has written.
    let half_open_after = Duration::from_secs(2);
    let late = Cache::redis(RedisSettings { half_open_after, ..settings(&server) }).unwrap();
    put(&late, 6).await;
    // The first attempt fails.
    assert!(late.check().await.is_err());
    server.run();
    let other = connected(&server).await;
    put(&other, 7).await;
    tokio::time::timeout(BOUND, late.ready()).await.expect("Redis answers");
    for cache in [&late, &other] {
        assert_eq!(version(cache).await, Some(7));
    }
}

#[tokio::test]
async fn a_process_that_lost_more_than_it_can_remember_reads_nothing_until_that_has_died() {
    let server = RedisServer::start(&[]);
    let [writer, reader] = [hasty(&server).await, connected(&server).await];
    reader.put_many(&entries(0..10_001, 1), Instant::now()).await;
    cut_off(&server, &writer).await;
    bounded(writer.put_many(&entries(0..10_001, 2), Instant::now())).await;
    server.hang(false);
    tokio::time::timeout(BOUND, writer.ready()).await.expect("the breaker closes");
    for (owner, left) in [(0, None), (9_999, None), (10_000, Some(snapshot(1)))] {
        let key = Key::new("acme", owner, "balance");
        assert_eq!(bounded(reader.get(&key, NOW, None)).await, left, "all that found room is struck out");
        assert_eq!(bounded(writer.get(&key, NOW, None)).await, None, "{key:?}");
    }
    // What it writes is of use to the others already.
    put(&writer, 3).await;
    assert_eq!((version(&writer).await, version(&reader).await), (None, Some(3)));
}

#[tokio::test]
async fn the_breaker_closes_though_writes_never_stop() {
    let server = RedisServer::start(&[]);
    let cache = hasty(&server).await;
    cut_off(&server, &cache).await;
    server.hang(false);
    let writes = async {
        for owner in 0.. {
            cache.put_many(&entries(owner..owner + 1, 1), Instant::now()).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        closed = tokio::time::timeout(BOUND, cache.ready()) => closed.expect("the breaker closes"),
        () = writes => {}
    }
}
