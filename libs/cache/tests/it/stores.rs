//! Both stores keep the same promise: the same list runs against the one in the process and against a private
//! Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::redis_server::RedisServer;
use ambient::Time;
use bytes::Bytes;
use futures::future::join_all;
use rand::seq::SliceRandom;
use rapport_cache::{Cache, Fill, Key, Lookup, RedisSettings, Snapshot};

const NOW: Time = Time::from_micros(1_000);

fn key() -> Key {
    Key::new("acme", "m-1", "balance")
}

fn snapshot(version: i64, text: &str) -> Snapshot {
    Snapshot { version, valid_until: Time::NEVER, bytes: Bytes::copy_from_slice(text.as_bytes()) }
}

async fn put(cache: &Cache, snapshot: Snapshot) {
    cache.put_many(&[(key(), snapshot)], Instant::now()).await;
}

async fn text(cache: &Cache) -> Option<String> {
    let snapshot = cache.get(&key(), NOW, None).await?;
    Some(String::from_utf8(snapshot.bytes.to_vec()).unwrap())
}

async fn redis() -> (RedisServer, Cache) {
    let server = RedisServer::start(&[]);
    // A busy machine may stop any of the processes for longer than the default budget.
    let response_timeout = std::time::Duration::from_secs(5);
    let cache = Cache::redis(RedisSettings { response_timeout, ..RedisSettings::new(server.url()) }).unwrap();
    cache.ready().await;
    (server, cache)
}

macro_rules! on_both_stores {
    ($($name:ident)*) => {
        mod in_process {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Cache::in_process(1_000)).await;
            })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let (_server, cache) = super::redis().await;
                super::$name(cache).await;
            })*
        }
    };
}

on_both_stores! {
    what_was_put_is_read
    newer_replaces_and_older_and_equal_are_refused
    versions_are_numbers_not_text
    puts_in_any_order_end_at_the_newest
    a_view_past_its_moment_is_a_miss
    a_later_view_of_the_same_version_is_taken
    a_token_never_reads_an_older_state
    a_tombstone_refuses_older_and_takes_its_own_version
    a_fill_that_was_overtaken_is_refused
    readers_that_miss_a_key_together_read_the_database_once
    a_fill_that_is_dropped_passes_to_one_who_waits
    who_waits_gets_nothing_older_than_its_token_or_past_its_moment
    a_write_30_s_old_is_not_read_and_refuses_what_is_older
    keys_do_not_touch_each_other
}

async fn what_was_put_is_read(cache: Cache) {
    assert_eq!(cache.get(&key(), NOW, None).await, None);
    let put =
        Snapshot { version: 7, valid_until: Time::from_micros(2_000), bytes: Bytes::from_static(b"x\0\r\n") };
    cache.put_many(&[(key(), put.clone())], Instant::now()).await;
    assert_eq!(cache.get(&key(), NOW, None).await, Some(put));
    put_empty(&cache).await;
}

async fn put_empty(cache: &Cache) {
    put(cache, snapshot(8, "")).await;
    assert_eq!(text(cache).await.as_deref(), Some(""));
    cache.put_many(&[], Instant::now()).await;
}

async fn newer_replaces_and_older_and_equal_are_refused(cache: Cache) {
    put(&cache, snapshot(5, "five")).await;
    put(&cache, snapshot(4, "four")).await;
    assert_eq!(text(&cache).await.as_deref(), Some("five"));
    put(&cache, snapshot(5, "another five")).await;
    assert_eq!(text(&cache).await.as_deref(), Some("five"));
    put(&cache, snapshot(6, "six")).await;
    assert_eq!(text(&cache).await.as_deref(), Some("six"));
}

async fn versions_are_numbers_not_text(cache: Cache) {
    let ascending = [i64::MIN, -10, -9, 0, 9, 10, 99, 100, 255, 256, (1 << 53), (1 << 53) + 1, i64::MAX];
    for pair in ascending.windows(2) {
        put(&cache, snapshot(pair[1], &pair[1].to_string())).await;
        put(&cache, snapshot(pair[0], "older")).await;
        assert_eq!(text(&cache).await, Some(pair[1].to_string()));
    }
}

async fn puts_in_any_order_end_at_the_newest(cache: Cache) {
    let mut versions: Vec<i64> = (1..=200).collect();
    versions.shuffle(&mut rand::rng());
    let writers = versions.chunks(10).map(|versions| {
        let (cache, versions) = (cache.clone(), versions.to_vec());
        tokio::spawn(async move {
            let mut seen = 0;
            for version in versions {
                put(&cache, snapshot(version, &version.to_string())).await;
                let read = cache.get(&key(), NOW, Some(version)).await.expect("at least what was just put");
                assert!(read.version >= version.max(seen), "{} after {seen}", read.version);
                seen = read.version;
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    assert_eq!(text(&cache).await.as_deref(), Some("200"));
}

async fn a_view_past_its_moment_is_a_miss(cache: Cache) {
    put(&cache, Snapshot { valid_until: Time::from_micros(2_000), ..snapshot(1, "view") }).await;
    assert!(cache.get(&key(), Time::from_micros(1_999), None).await.is_some());
    assert!(cache.get(&key(), Time::from_micros(2_000), None).await.is_none());
    assert!(cache.get(&key(), Time::MAX, None).await.is_none());
}

async fn a_later_view_of_the_same_version_is_taken(cache: Cache) {
    put(&cache, Snapshot { valid_until: Time::from_micros(2_000), ..snapshot(1, "early") }).await;
    put(&cache, Snapshot { valid_until: Time::from_micros(3_000), ..snapshot(1, "late") }).await;
    assert_eq!(text(&cache).await.as_deref(), Some("late"));
    put(&cache, Snapshot { valid_until: Time::from_micros(2_500), ..snapshot(1, "between") }).await;
    assert_eq!(text(&cache).await.as_deref(), Some("late"));
}

async fn a_token_never_reads_an_older_state(cache: Cache) {
    put(&cache, snapshot(5, "five")).await;
    assert!(cache.get(&key(), NOW, Some(5)).await.is_some());
    assert!(cache.get(&key(), NOW, Some(6)).await.is_none());
}

async fn a_tombstone_refuses_older_and_takes_its_own_version(cache: Cache) {
    put(&cache, snapshot(4, "four")).await;
    cache.invalidate(&key(), 5).await;
    assert_eq!(text(&cache).await, None);
    put(&cache, snapshot(4, "four")).await;
    assert_eq!(text(&cache).await, None);
    missed(&cache).await.offer(snapshot(4, "four")).await;
    assert_eq!(text(&cache).await, None);
    put(&cache, snapshot(5, "five")).await;
    assert_eq!(text(&cache).await.as_deref(), Some("five"));
    cache.invalidate(&key(), 5).await;
    assert_eq!(text(&cache).await.as_deref(), Some("five"));
}

async fn missed(cache: &Cache) -> Fill {
    match cache.get_or_fill(&key(), NOW, None).await {
        Lookup::Miss(fill) => fill,
        Lookup::Hit(snapshot) => panic!("nothing may be found, but {snapshot:?} was"),
    }
}

async fn a_fill_that_was_overtaken_is_refused(cache: Cache) {
    let fill = missed(&cache).await;
    let waiting = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_or_fill(&key(), NOW, None).await }
    });
    tokio::task::yield_now().await;
    put(&cache, snapshot(5, "committed meanwhile")).await;
    fill.offer(snapshot(4, "read before")).await;
    assert_eq!(text(&cache).await.as_deref(), Some("committed meanwhile"));
    let Lookup::Hit(found) = waiting.await.unwrap() else { panic!("version 5 is there") };
    assert_eq!(found.version, 5);
    cache.invalidate(&key(), 6).await;
    let fill = missed(&cache).await;
    fill.offer(snapshot(6, "filled")).await;
    assert_eq!(text(&cache).await.as_deref(), Some("filled"));
}

async fn readers_that_miss_a_key_together_read_the_database_once(cache: Cache) {
    let reads = Arc::new(AtomicUsize::new(0));
    let readers = (0..200).map(|_| {
        let (cache, reads) = (cache.clone(), Arc::clone(&reads));
        tokio::spawn(async move {
            match cache.get_or_fill(&key(), NOW, None).await {
                Lookup::Hit(found) => assert_eq!(found, snapshot(1, "one")),
                Lookup::Miss(fill) => {
                    reads.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    fill.offer(snapshot(1, "one")).await;
                }
            }
        })
    });
    for reader in join_all(readers).await {
        reader.unwrap();
    }
    assert_eq!(reads.load(Ordering::Relaxed), 1);
}

async fn a_fill_that_is_dropped_passes_to_one_who_waits(cache: Cache) {
    let fill = missed(&cache).await;
    let readers = (0..10).map(|_| {
        let cache = cache.clone();
        tokio::spawn(async move {
            match cache.get_or_fill(&key(), NOW, None).await {
                Lookup::Hit(_) => 0,
                Lookup::Miss(fill) => {
                    fill.offer(snapshot(1, "one")).await;
                    1
                }
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    tokio::task::yield_now().await;
    drop(fill);
    let reads: usize = join_all(readers).await.into_iter().map(Result::unwrap).sum();
    assert_eq!((reads, text(&cache).await.as_deref()), (1, Some("one")));
}

async fn who_waits_gets_nothing_older_than_its_token_or_past_its_moment(cache: Cache) {
    let limits = [(NOW, Some(2)), (Time::from_micros(2_000), None)];
    let fill = missed(&cache).await;
    let readers = limits.map(|(now, version_min)| {
        let cache = cache.clone();
        let missed =
            async move { matches!(cache.get_or_fill(&key(), now, version_min).await, Lookup::Miss(_)) };
        tokio::spawn(missed)
    });
    tokio::task::yield_now().await;
    fill.offer(Snapshot { valid_until: Time::from_micros(2_000), ..snapshot(1, "one") }).await;
    for reader in readers {
        assert!(reader.await.unwrap());
    }
}

async fn a_write_30_s_old_is_not_read_and_refuses_what_is_older(cache: Cache) {
    let long_ago =
        Instant::now().checked_sub(rapport_cache::AGE_MAX).expect("the machine has been up for 30 s");
    put(&cache, snapshot(1, "one")).await;
    cache.put_many(&[(key(), snapshot(2, "was stuck for 30 s"))], long_ago).await;
    assert_eq!(text(&cache).await, None);
    put(&cache, snapshot(1, "one")).await;
    assert_eq!(text(&cache).await, None);
    put(&cache, snapshot(2, "two")).await;
    assert_eq!(text(&cache).await.as_deref(), Some("two"));
}

async fn keys_do_not_touch_each_other(cache: Cache) {
    let keys: Vec<Key> = ["a", "b"]
        .into_iter()
        .flat_map(|tenant| (0..100).map(move |owner| Key::new(tenant, owner, "balance")))
        .chain([Key::new("a", 0, "member")])
        .collect();
    let entries: Vec<_> = keys.iter().map(|key| (key.clone(), snapshot(1, &format!("{key:?}")))).collect();
    cache.put_many(&entries, Instant::now()).await;
    for (key, put) in entries {
        assert_eq!(cache.get(&key, NOW, None).await, Some(put));
    }
}

#[tokio::test]
async fn no_store_at_all_misses_and_takes_everything() {
    let cache = Cache::none();
    put(&cache, snapshot(1, "one")).await;
    cache.invalidate(&key(), 2).await;
    missed(&cache).await.offer(snapshot(2, "two")).await;
    assert_eq!(text(&cache).await, None);
    cache.check().await.unwrap();
    cache.ready().await;
}
