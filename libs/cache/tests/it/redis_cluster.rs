//! A cluster is a configuration of the same store, not another one.

use std::time::{Duration, Instant};

use ambient::Time;
use bytes::Bytes;
use rapport_cache::{Cache, Key, Lookup, RedisSettings, Snapshot};

use crate::redis_server::RedisServer;

#[tokio::test]
async fn batches_and_fills_over_many_slots_are_taken_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = folder.path().join("nodes.conf").display().to_string();
    let server = RedisServer::start(&["--cluster-enabled", "yes", "--cluster-config-file", &nodes]);
    server.tell(&[b"CLUSTER", b"ADDSLOTSRANGE", b"0", b"16383"]).await;
    let response_timeout = Duration::from_secs(5);
    let settings = RedisSettings { cluster: true, response_timeout, ..RedisSettings::new(server.url()) };
    let cache = Cache::redis(settings).unwrap();
    tokio::time::timeout(Duration::from_secs(20), cache.ready()).await.expect("the cluster answers");
    // Twice: the second time the cluster has forgotten the script.
    for version in 1..=2 {
        let snapshot = Snapshot { version, valid_until: Time::NEVER, bytes: Bytes::from_static(b"x") };
        let entries: Vec<_> =
            (0..100).map(|owner| (Key::new("acme", owner, "balance"), snapshot.clone())).collect();
        cache.put_many(&entries, Instant::now()).await;
        for (key, put) in &entries {
            assert_eq!(cache.get(key, Time::from_micros(0), None).await.as_ref(), Some(put));
        }
        server.tell(&[b"SCRIPT", b"FLUSH"]).await;
    }
    // A key, its lease and the script that knows both meet in every slot.
    for owner in 200..300 {
        let key = Key::new("acme", owner, "balance");
        let found = cache.get_or_fill(&key, Time::from_micros(0), None).await;
        let Lookup::Miss(fill) = found else { panic!("nobody wrote {key:?}") };
        let snapshot = Snapshot { version: 1, valid_until: Time::NEVER, bytes: Bytes::from_static(b"x") };
        fill.offer(snapshot.clone()).await;
        assert_eq!(cache.get(&key, Time::from_micros(0), None).await, Some(snapshot));
    }
}
