//! Over all processes one reader at a time reads the database for a key, and what it read counts only while
//! nobody has written.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use rapport_cache::{Cache, Key, Lookup, RedisSettings};
use tokio::sync::Semaphore;

use crate::harness::{
    NAME, NOW, bounded, connected_with, eventually, hasty, key, metric, missed, put, settings, snapshot,
    version,
};
use crate::redis_server::RedisServer;

/// Waits for as long as a busy machine may stop any of the processes, but less than a lease lives.
async fn patient(server: &RedisServer) -> Cache {
    let response_timeout = Duration::from_secs(3);
    connected_with(RedisSettings { response_timeout, ..settings(server) }).await
}

/// How often Redis ran a command, scripts' own commands included.
async fn calls(server: &RedisServer, command: &str) -> u64 {
    let stats: String = server.run_command(&[b"INFO", b"commandstats"]).await;
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.and_then(|line| line.split(',').next()).map_or(0, |calls| calls.parse().unwrap())
}

fn leases(kind: &str, outcome: &str) -> Option<f64> {
    let labels = format!("kind=\"{kind}\",rapport_cache_store=\"redis\",rapport_outcome=\"{outcome}\"");
    metric("rapport_cache_leases_total", &labels)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_readers_in_two_processes_read_the_database_once_each_time_the_key_is_evicted() {
    let server = RedisServer::start(&[]);
    let caches = [patient(&server).await, patient(&server).await];
    let key = Key::new("acme", "m-1", "shared");
    for round in 1..=3 {
        let (asked, reads) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let readers = (0..200).map(|n| {
            let (cache, key) = (caches[n % 2].clone(), key.clone());
            let (asked, reads) = (Arc::clone(&asked), Arc::clone(&reads));
            tokio::spawn(async move {
                asked.add_permits(1);
                match cache.get_or_fill(&key, NOW, None).await {
                    Lookup::Hit(found) => assert_eq!(found, snapshot(round)),
                    Lookup::Miss(fill) => {
                        reads.fetch_add(1, Ordering::Relaxed);
                        // Until all of them have begun.
                        let _all = asked.acquire_many(200).await.unwrap();
                        fill.offer(snapshot(round)).await;
                    }
                }
            })
        });
        for reader in join_all(readers).await {
            reader.unwrap();
        }
        assert_eq!(reads.load(Ordering::Relaxed), 1, "round {round}");
        server.tell(&[b"DEL", b"{acme:m-1}:shared"]).await;
    }
    assert_eq!(leases("shared", "taken"), Some(3.0), "{}", telemetry::render_metrics());
    assert!(leases("shared", "waited_hit") > Some(0.0), "{}", telemetry::render_metrics());
    // Each reader once, and then one of each process for the others.
    let gets = calls(&server, "get").await;
    assert!(gets < 3 * 200 + 200, "Redis was asked {gets} times");
}

#[tokio::test]
async fn a_hit_is_one_get() {
    let server = RedisServer::start(&[]);
    let cache = hasty(&server).await;
    put(&cache, 1).await;
    let before = (calls(&server, "get").await, calls(&server, "evalsha").await);
    for _ in 0..10 {
        assert!(matches!(cache.get_or_fill(&key(), NOW, None).await, Lookup::Hit(_)));
    }
    let after = (calls(&server, "get").await, calls(&server, "evalsha").await);
    assert_eq!(after, (before.0 + 10, before.1));
}

#[tokio::test]
async fn a_fill_is_void_after_any_write_though_nothing_of_that_is_left() {
    let server = RedisServer::start(&[]);
    let [cache, other] = [hasty(&server).await, hasty(&server).await];
    for tombstone in [false, true] {
        let fill = missed(&cache).await;
        let before = calls(&server, "get").await;
        let waiting = tokio::spawn({
            let cache = cache.clone();
            async move { missed(&cache).await }
        });
        eventually("one more waits", async || calls(&server, "get").await > before).await;
        if tombstone {
            other.invalidate(&key(), 2).await;
        } else {
            put(&other, 2).await;
        }
        // As if evicted, or past its life.
        server.tell(&[b"DEL", NAME]).await;
        fill.offer(snapshot(1)).await;
        assert_eq!(version(&cache).await, None);
        // Who waited is not given what was refused, but has the lease now.
        waiting.await.unwrap().offer(snapshot(2)).await;
        assert_eq!(version(&other).await, Some(2));
        server.tell(&[b"DEL", NAME]).await;
    }
    assert!(leases("balance", "void") >= Some(2.0), "{}", telemetry::render_metrics());
}

#[tokio::test]
async fn a_fill_replaces_a_value_of_its_own_version_that_nobody_can_read() {
    let server = RedisServer::start(&[]);
    let cache = hasty(&server).await;
    put(&cache, 1).await;
    let mut damaged: Vec<u8> = server.run_command(&[b"GET", NAME]).await;
    damaged[31] ^= 1;
    server.tell(&[b"SET", NAME, &damaged]).await;
    missed(&cache).await.offer(snapshot(1)).await;
    assert_eq!(version(&cache).await, Some(1));
}

#[tokio::test]
async fn the_lease_of_a_dead_reader_ends_by_itself_and_the_next_one_fills() {
    let server = RedisServer::start(&[]);
    let cache = hasty(&server).await;
    for tombstone in [false, true] {
        server.tell(&[b"DEL", NAME]).await;
        if tombstone {
            cache.invalidate(&key(), 5).await;
        }
        std::mem::forget(missed(&hasty(&server).await).await);
        let left: i64 = server.run_command(&[b"PTTL", NAME]).await;
        assert_eq!(left > 2_000, tombstone, "a tombstone lives on: {left} ms");
        if tombstone {
            put(&cache, 4).await;
        }
        missed(&cache).await.offer(snapshot(5)).await;
        assert_eq!(version(&cache).await, None, "who waited in vain reads for itself alone");
        eventually("the lease ends", async || {
            if let Lookup::Miss(fill) = bounded(cache.get_or_fill(&key(), NOW, None)).await {
                fill.offer(snapshot(5)).await;
            }
            version(&cache).await == Some(5)
        })
        .await;
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_gives_its_lease_back_and_leaves_what_stood_there() {
    let server = RedisServer::start(&[]);
    let [gone, cache] = [patient(&server).await, patient(&server).await];
    let fill = missed(&gone).await;
    let waiting = tokio::spawn({
        let cache = cache.clone();
        async move { missed(&cache).await }
    });
    drop(fill);
    waiting.await.unwrap().offer(snapshot(1)).await;
    assert_eq!(version(&cache).await, Some(1));
    // Its token is not of this data.
    let found = gone.get_or_fill(&key(), NOW, Some(9)).await;
    assert!(matches!(found, Lookup::Miss(_)) && version(&cache).await.is_none(), "{found:?}");
    drop(found);
    eventually("version 1 is there again", async || version(&cache).await == Some(1)).await;
}

#[tokio::test]
async fn who_waits_while_redis_hangs_or_dies_reads_the_database_in_time() {
    for hangs in [true, false] {
        let mut server = RedisServer::start(&[]);
        let [holder, cache] = [patient(&server).await, hasty(&server).await];
        let fill = missed(&holder).await;
        let before = calls(&server, "get").await;
        let waiting = tokio::spawn(async move { (missed(&cache).await, cache) });
        eventually("it waits", async || calls(&server, "get").await > before + 1).await;
        if hangs {
            server.hang(true);
        } else {
            server.kill();
        }
        let (alone, cache) = bounded(waiting).await.unwrap();
        bounded(alone.offer(snapshot(1))).await;
        if hangs {
            server.hang(false);
        } else {
            server.run();
        }
        bounded(fill.offer(snapshot(1))).await;
        eventually("all is well again", async || {
            put(&cache, 2).await;
            version(&cache).await == Some(2) && version(&holder).await == Some(2)
        })
        .await;
    }
}

#[tokio::test]
async fn a_redis_that_takes_no_lease_costs_no_read() {
    let server = RedisServer::start(&["--maxmemory-policy", "noeviction", "--maxmemory", "1"]);
    let cache = hasty(&server).await;
    for _ in 0..100 {
        missed(&cache).await.offer(snapshot(1)).await;
    }
    server.tell(&[b"CONFIG", b"SET", b"maxmemory", b"0"]).await;
    eventually("it takes leases again", async || {
        if let Lookup::Miss(fill) = bounded(cache.get_or_fill(&key(), NOW, None)).await {
            fill.offer(snapshot(1)).await;
        }
        version(&cache).await == Some(1)
    })
    .await;
}
