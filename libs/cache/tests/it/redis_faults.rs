//! Whatever happens to Redis: every call ends in time, no older state is read, and all is well again by
//! itself.

use std::time::{Duration, Instant};

use ambient::Time;
use bytes::Bytes;
use rapport_cache::{Cache, Key, RedisSettings, Snapshot};

use crate::harness::{BOUND, NOW, connected, eventually, hasty, key, metric, put, settings, version};
use crate::redis_server::RedisServer;

#[tokio::test]
async fn garbage_under_our_key_is_a_miss_and_is_replaced() {
    let server = RedisServer::start(&[]);
    let cache = connected(&server).await;
    put(&cache, 5).await;
    let name = b"{acme:m-1}:balance";
    let whole: Vec<u8> = server.run_command(&[b"GET", name]).await;
    let mut longer = whole.clone();
    longer.push(b'!');
    let mut newer_than_all = whole.clone();
    newer_than_all[2..10].fill(0xFF);
    newer_than_all.truncate(whole.len() - 1);
    for (i, garbage) in
        [&whole[..whole.len() - 1], &longer, &newer_than_all, b"", b"R", b"hello", &[0xFF; 64]]
            .into_iter()
            .enumerate()
    {
        server.tell(&[b"SET", name, garbage]).await;
        assert_eq!(version(&cache).await, None, "garbage {i}");
        put(&cache, 1).await;
        assert_eq!(version(&cache).await, Some(1), "garbage {i}");
    }
    server.tell(&[b"DEL", name]).await;
    server.tell(&[b"RPUSH", name, b"a list"]).await;
    // Garbage is no failure of Redis: any number of reads leaves the breaker closed.
    for _ in 0..10 {
        assert_eq!(version(&cache).await, None);
    }
    put(&cache, 1).await;
    assert_eq!(version(&cache).await, Some(1));
}

#[tokio::test]
async fn another_tenants_value_under_our_key_is_a_miss() {
    let server = RedisServer::start(&[]);
    let cache = connected(&server).await;
    put(&cache, 5).await;
    let value: Vec<u8> = server.run_command(&[b"GET", b"{acme:m-1}:balance"]).await;
    server.tell(&[b"SET", b"{other:m-1}:balance", &value]).await;
    assert_eq!(cache.get(&Key::new("other", "m-1", "balance"), NOW, None).await, None);
}

#[tokio::test]
async fn a_value_lives_24_to_30_seconds_and_neither_reads_nor_refused_writes_prolong_it() {
    let server = RedisServer::start(&[]);
    let cache = connected(&server).await;
    let name: &[u8] = b"{acme:m-1}:balance";
    for n in 1..=20 {
        put(&cache, n).await;
        let ttl: i64 = server.run_command(&[b"PTTL", name]).await;
        assert!((23_000..=30_000).contains(&ttl), "{ttl} ms");
    }
    server.tell(&[b"PEXPIRE", name, b"10000"]).await;
    put(&cache, 20).await;
    put(&cache, 3).await;
    assert_eq!(version(&cache).await, Some(20));
    let ttl: i64 = server.run_command(&[b"PTTL", name]).await;
    assert!(ttl <= 10_000, "{ttl} ms");
    cache.invalidate(&key(), 21).await;
    let ttl: i64 = server.run_command(&[b"PTTL", name]).await;
    assert!((23_000..=30_000).contains(&ttl), "a tombstone lives as long: {ttl} ms");
    let read_24_s_ago = Instant::now().checked_sub(Duration::from_secs(24)).unwrap();
    let snapshot = Snapshot { version: 22, valid_until: Time::NEVER, bytes: Bytes::new() };
    cache.put_many(&[(key(), snapshot)], read_24_s_ago).await;
    let ttl: i64 = server.run_command(&[b"PTTL", name]).await;
    assert!(ttl <= 6_000, "what was known 24 s ago has at most 6 s left: {ttl} ms");
}

#[tokio::test]
async fn a_wiped_redis_misses_and_fills_again() {
    let server = RedisServer::start(&[]);
    let cache = connected(&server).await;
    put(&cache, 5).await;
    server.tell(&[b"FLUSHALL"]).await;
    server.tell(&[b"SCRIPT", b"FLUSH"]).await;
    assert_eq!(version(&cache).await, None);
    let keys: Vec<Key> = (0..300).map(|owner| Key::new("acme", owner, "balance")).collect();
    let snapshot = Snapshot { version: 1, valid_until: Time::NEVER, bytes: Bytes::from_static(b"x") };
    let entries: Vec<_> = keys.iter().map(|key| (key.clone(), snapshot.clone())).collect();
    cache.put_many(&entries, Instant::now()).await;
    for key in &keys {
        assert!(cache.get(key, NOW, None).await.is_some(), "{key:?}");
    }
}

#[tokio::test]
async fn a_killed_redis_costs_nothing_and_heals_after_its_restart() {
    let mut server = RedisServer::start(&[]);
    let cache = connected(&server).await;
    put(&cache, 5).await;
    server.kill();
    eventually("the breaker opens", async || {
        put(&cache, 6).await;
        version(&cache).await.is_none() && metric("rapport_cache_breaker_open", "redis") == Some(1.0)
    })
    .await;
    // Each call would take at least a failed connection if it tried one.
    let before = Instant::now();
    for _ in 0..10_000 {
        assert_eq!(version(&cache).await, None);
    }
    assert!(before.elapsed() < Duration::from_secs(5), "10,000 calls took {:?}", before.elapsed());
    server.run();
    eventually("the breaker closes and values are kept", async || {
        put(&cache, 7).await;
        version(&cache).await == Some(7)
    })
    .await;
}

#[tokio::test]
async fn a_hung_redis_is_bounded_and_what_it_missed_is_struck_out_before_it_is_read_again() {
    let server = RedisServer::start(&[]);
    let cache = hasty(&server).await;
    put(&cache, 5).await;
    server.hang(true);
    let before = Instant::now();
    put(&cache, 6).await;
    // Three failures open the breaker; the other calls are free.
    for _ in 0..1_000 {
        assert_eq!(version(&cache).await, None);
        assert!(before.elapsed() < Duration::from_secs(10), "the calls took {:?}", before.elapsed());
    }
    put(&cache, 7).await;
    server.hang(false);
    tokio::time::timeout(BOUND, cache.ready()).await.expect("the breaker closes");
    assert_eq!(version(&cache).await, None, "version 7 is known, so 5 and 6 must not be read");
    put(&cache, 7).await;
    assert_eq!(version(&cache).await, Some(7));
}

#[tokio::test]
async fn a_read_only_or_full_redis_is_left_alone_until_it_takes_writes_again() {
    let server = RedisServer::start(&["--maxmemory-policy", "noeviction"]);
    let cache = connected(&server).await;
    let faults: [[&[&[u8]]; 2]; 2] = [
        [&[b"REPLICAOF", b"127.0.0.1", b"1"], &[b"REPLICAOF", b"NO", b"ONE"]],
        [&[b"CONFIG", b"SET", b"maxmemory", b"1"], &[b"CONFIG", b"SET", b"maxmemory", b"0"]],
    ];
    for (round, [break_it, mend_it]) in (0..).zip(faults) {
        let old = 10 * round + 1;
        put(&cache, old).await;
        assert_eq!(version(&cache).await, Some(old));
        server.tell(break_it).await;
        eventually("the breaker opens", async || {
            put(&cache, old + 1).await;
            version(&cache).await.is_none()
        })
        .await;
        server.tell(mend_it).await;
        tokio::time::timeout(BOUND, cache.ready()).await.expect("the breaker closes");
        assert_ne!(version(&cache).await, Some(old), "round {round}");
        put(&cache, old + 2).await;
        assert_eq!(version(&cache).await, Some(old + 2));
    }
}

#[tokio::test]
async fn a_service_starts_without_redis_and_uses_it_when_it_comes() {
    let mut server = RedisServer::start(&[]);
    server.kill();
    let cache = Cache::redis(settings(&server)).unwrap();
    put(&cache, 1).await;
    assert_eq!(version(&cache).await, None);
    let error = cache.check().await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1"), "{error}");
    server.run();
    tokio::time::timeout(BOUND, cache.ready()).await.expect("Redis answers");
    put(&cache, 2).await;
    assert_eq!(version(&cache).await, Some(2));
}

#[tokio::test]
async fn no_message_shows_the_password() {
    let server = RedisServer::start(&["--requirepass", "right"]);
    let with = |password: &str| server.url().replace("redis://", &format!("redis://:{password}@"));
    let cache = Cache::redis(RedisSettings::new(with("s3cret"))).unwrap();
    let error = cache.check().await.unwrap_err();
    for text in [error.to_string(), format!("{error:?}"), format!("{cache:?}")] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
    let patient =
        RedisSettings { response_timeout: Duration::from_secs(5), ..RedisSettings::new(with("right")) };
    Cache::redis(patient).unwrap().check().await.unwrap();
    for url in [
        "",
        "s3cret",
        "http://:s3cret@host",
        "redis://:s3cret@host:port",
        "redis://:s3cret@host/x",
        "redis://:s3cret@a,redis://:s3cret@b",
        "redis://:s3cret@",
    ] {
        let error = Cache::redis(RedisSettings::new(url)).unwrap_err();
        let (text, debug) = (error.to_string(), format!("{error:?}"));
        assert!(
            text.contains("Redis URL is wrong") && !format!("{text}{debug}").contains("s3cret"),
            "{text}"
        );
    }
    let mut zero = RedisSettings::new("redis://host");
    zero.response_timeout = Duration::ZERO;
    assert!(Cache::redis(zero).unwrap_err().to_string().contains("response_timeout"));
}

#[tokio::test]
async fn reads_are_counted_by_outcome() {
    let server = RedisServer::start(&[]);
    let cache = connected(&server).await;
    let key = Key::new("acme", "m-1", "counted");
    let snapshot = Snapshot { version: 5, valid_until: Time::NEVER, bytes: Bytes::new() };
    cache.get(&key, NOW, None).await;
    cache.put_many(&[(key.clone(), snapshot)], Instant::now()).await;
    cache.get(&key, NOW, None).await;
    cache.get(&key, NOW, Some(6)).await;
    server.tell(&[b"SET", b"{acme:m-1}:counted", b"garbage"]).await;
    cache.get(&key, NOW, None).await;
    for outcome in ["hit", "miss", "refused", "garbage"] {
        let labels = format!("kind=\"counted\",rapport_cache_store=\"redis\",rapport_outcome=\"{outcome}\"");
        assert_eq!(
            metric("rapport_cache_reads_total", &labels),
            Some(1.0),
            "{}",
            telemetry::render_metrics()
        );
    }
}
