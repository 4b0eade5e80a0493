//! Redis is stopped, wiped and restarted under load: no command's answer changes, a read that carries a
//! token is never older than it, and everything is served from the cache again afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use harness::calls::{balance, balance_of, create_program, enroll, purchase, record};
use harness::house::House;
use harness::servers::{Postgres, Redis};
use proto::rapport::loyalty::v1 as pb;

const CALLERS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_wiped_hung_and_restarted_under_load() {
    let mut redis = Redis::private();
    let house = House::process_on(&Postgres::start().fresh_database().await, redis.url()).await;
    let client = house.client();
    create_program(&client).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = Vec::new();
    let done: Vec<Arc<AtomicI64>> = (0..CALLERS).map(|_| Arc::new(AtomicI64::new(0))).collect();
    for (i, done) in done.iter().enumerate() {
        let member = enroll(&client, &format!("member-{i}")).await;
        callers.push(tokio::spawn(caller(client.clone(), member, done.clone(), stop.clone())));
    }
    everyone_moves_on(&done).await;
    redis.flush();
    everyone_moves_on(&done).await;
    redis.stop();
    everyone_moves_on(&done).await;
    redis.restart();
    everyone_moves_on(&done).await;
    redis.hang(true);
    everyone_moves_on(&done).await;
    redis.hang(false);
    everyone_moves_on(&done).await;
    stop.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.expect("a caller saw only what it may see");
    }
    house.end().await;
}

/// Waits until every caller has been answered some more times.
async fn everyone_moves_on(done: &[Arc<AtomicI64>]) {
    let goals: Vec<i64> = done.iter().map(|d| d.load(Ordering::SeqCst) + 30).collect();
    while done.iter().zip(&goals).any(|(done, goal)| done.load(Ordering::SeqCst) < *goal) {
        tokio::task::yield_now().await;
    }
}

/// Earns, and reads with the token of what it earned: the sum must be there.
async fn caller(client: rpc::client::Client, member: String, done: Arc<AtomicI64>, stop: Arc<AtomicBool>) {
    let mut expected = 0;
    while !stop.load(Ordering::SeqCst) {
        let earned = record(&client, purchase(&member, 3)).await.expect("a command does not need Redis");
        expected += 3;
        assert_eq!(earned.balance.as_ref().map(|b| b.available), Some(expected));
        let request = pb::GetBalanceRequest {
            member_id: member.clone(),
            read_token: earned.read_token,
            ..Default::default()
        };
        let read = balance(&client, request).await.expect("a read does not need Redis");
        assert_eq!(read.balance.map(|b| b.available), Some(expected), "a read is older than its token");
        done.fetch_add(1, Ordering::SeqCst);
    }
    // Nobody else writes: without a token too, the balance is at most as old as the last write's publication.
    assert!(balance_of(&client, &member).await.available <= expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_redis_is_a_miss() {
    let redis = Redis::private();
    let house = House::process_on(&Postgres::start().fresh_database().await, redis.url()).await;
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    record(&client, purchase(&member, 3)).await.unwrap();
    let opened = redis::Client::open(redis.url()).expect("a URL");
    let mut connection = opened.get_multiplexed_async_connection().await.expect("Redis answers");
    let keys: Vec<String> =
        redis::cmd("KEYS").arg("*balance*").query_async(&mut connection).await.expect("keys");
    assert_eq!(keys.len(), 1, "the balance was published: {keys:?}");
    for garbage in ["", "\u{1}", "garbage that is longer than any header could possibly be"] {
        let done: () =
            redis::cmd("SET").arg(&keys[0]).arg(garbage).query_async(&mut connection).await.expect("SET");
        let () = done;
        assert_eq!(balance_of(&client, &member).await.available, 3);
    }
    house.end().await;
}
