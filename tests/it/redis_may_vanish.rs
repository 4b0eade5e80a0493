//! Redis is stopped, wiped and restarted under load: no command's answer changes, a read that carries a
//! token is never older than it, and everything is served from the cache again afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use harness::calls::{balance, balance_of, create_program, enroll, purchase, reason, record};
use harness::house::House;
use harness::moves::{merge, merger, unmerge};
use harness::servers::{Postgres, Redis};
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;

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
async fn caller(client: Client, member: String, done: Arc<AtomicI64>, stop: Arc<AtomicBool>) {
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
    let mut cached = Cached::of(&redis, (&client, &member)).await;
    for garbage in ["", "\u{1}", "garbage that is longer than any header could possibly be"] {
        cached.set(garbage.as_bytes()).await;
        assert_eq!(balance_of(&client, &member).await.available, 3);
    }
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_taken_where_the_cache_has_not_heard_of_a_move() {
    let redis = Redis::private();
    let house = House::process_on(&Postgres::start().fresh_database().await, redis.url()).await;
    let client = house.client();
    create_program(&client).await;
    let card = enroll(&client, "card").await;
    record(&client, purchase(&card, 3)).await.unwrap();
    let mut cached = Cached::of(&redis, (&client, &card)).await;
    let before = cached.get().await;
    let member = enroll(&client, "anna").await;
    let read_token = merge(&client, merger(&card, &member)).await.unwrap().read_token;
    // As if whoever merged them had ended before it told the cache.
    cached.set(&before).await;
    let asked = |read_token: &str| pb::GetBalanceRequest {
        member_id: card.clone(),
        read_token: read_token.to_owned(),
        ..Default::default()
    };
    let read = balance(&client, asked(&read_token)).await.unwrap();
    assert_eq!((&read.wallet_id, read.balance.unwrap().available), (&member, 3));
    let refused = balance(&client, asked("1-00000000-1")).await.unwrap_err();
    assert_eq!(reason(&refused), "READ_TOKEN_INVALID");
    // What the cache has may even go around in a circle.
    let there = cached.get().await;
    unmerge(&client, &card).await.unwrap();
    merge(&client, merger(&member, &card)).await.unwrap();
    cached.set(&there).await;
    assert_eq!(balance(&client, asked("")).await.unwrap().balance.unwrap().available, 3);
    house.end().await;
}

/// The only balance that is cached, as Redis has it.
struct Cached {
    connection: redis::aio::MultiplexedConnection,
    key: String,
}

impl Cached {
    async fn of(redis: &Redis, (client, member_id): (&Client, &str)) -> Cached {
        let opened = redis::Client::open(redis.url()).expect("a URL");
        let connection = opened.get_multiplexed_async_connection().await.expect("Redis answers");
        let key = redis.published(client, member_id).await;
        Cached { connection, key }
    }

    async fn get(&mut self) -> Vec<u8> {
        redis::cmd("GET").arg(&self.key).query_async(&mut self.connection).await.expect("GET")
    }

    async fn set(&mut self, value: &[u8]) {
        let set = redis::cmd("SET").arg(&self.key).arg(value).query_async(&mut self.connection).await;
        let () = set.expect("SET");
    }
}
