//! Two server processes on one database, one wallet or several: the outcome is that of some serial order.

use futures::future::join_all;
use harness::calls::{
    balance, balance_of, create_program, create_reward, enroll, purchase, reason, record, redeem, redemption,
};
use harness::house::{House, client};
use harness::moves::{merge, merger, unmerge};
use harness::process::Process;
use harness::servers::{Postgres, Redis};
use proto::rapport::loyalty::v1 as pb;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_one_wallet() {
    let url = Postgres::start().fresh_database().await;
    let redis = Redis::start().url();
    let house = House::process_on(&url, redis).await;
    let second = Process::loyalty(&url, &["--redis-url", redis]);
    let (a, b) = (house.client(), client(&second.target()).await);
    create_program(&a).await;
    create_reward(&a, "sticker", 7, Some(100_000)).await;
    let member = enroll(&a, "anna").await;
    for round in 0..20 {
        // Every command waits for locks that the other process holds, and every redemption needs lots that
        // the other process may just have taken from.
        let before = balance_of(&a, &member).await;
        let calls = (0..60).map(|i| {
            let client = if i % 2 == 0 { a.clone() } else { b.clone() };
            let member = member.clone();
            async move {
                if i % 3 == 0 {
                    record(&client, purchase(&member, 10)).await.map(|_| 10)
                } else {
                    redeem(&client, redemption(&member, "sticker")).await.map(|_| -7)
                }
            }
        });
        let answers = join_all(calls).await;
        let mut expected = before.available;
        for answer in answers {
            match answer {
                Ok(points) => expected += points,
                Err(refused) => assert_eq!(reason(&refused), "INSUFFICIENT_POINTS", "{refused:?}"),
            }
        }
        let after = harness::calls::balance_of(&b, &member).await;
        assert_eq!(after.available, expected, "round {round}");
        assert!((0..7).contains(&expected) || expected >= 7, "round {round}");
    }
    let audit = house.audit().await;
    assert!(audit.sound, "{:#?}", audit.checks);
    second.terminate();
    house.end().await;
}

/// What one process knows of where members are is wrong as soon as the other one moves them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_move_members() {
    let url = Postgres::start().fresh_database().await;
    let redis = Redis::start().url();
    let house = House::process_on(&url, redis).await;
    let second = Process::loyalty(&url, &["--redis-url", redis]);
    let clients = [house.client(), client(&second.target()).await];
    create_program(&clients[0]).await;
    let ids = join_all(["a", "b", "c"].map(|name| enroll(&clients[0], name))).await;
    for round in 0..12_usize {
        let (a, b) = (&ids[round % 3], &ids[(round + 1) % 3]);
        let [here, there] = [&clients[round % 2], &clients[(round + 1) % 2]];
        let bought = (0..24_usize).map(|i| {
            let client = if i % 2 == 0 { here } else { there };
            record(client, purchase(&ids[i % 3], 1))
        });
        let (merged, bought) = futures::join!(merge(here, merger(a, b)), join_all(bought));
        merged.expect("nobody else merges");
        assert!(bought.iter().all(Result::is_ok), "{bought:?}");
        let read = record(there, purchase(a, 1)).await.unwrap();
        // The other process may have known better a moment ago, in its memory and in the cache.
        for client in [here, there] {
            let request = pb::GetBalanceRequest {
                member_id: b.clone(),
                read_token: read.read_token.clone(),
                ..Default::default()
            };
            let found = balance(client, request).await.unwrap().balance.unwrap();
            assert_eq!(found.available, read.balance.clone().unwrap().available, "round {round}");
        }
        let bought = (0..24_usize).map(|i| record(&clients[i % 2], purchase(&ids[i % 3], 1)));
        let (parted, bought) = futures::join!(unmerge(there, a), join_all(bought));
        parted.expect("nobody else tells them apart");
        assert!(bought.iter().all(Result::is_ok), "{bought:?}");
    }
    // Each has what was bought in its name.
    let sums = join_all(ids.iter().map(|id| balance_of(&clients[1], id))).await;
    assert_eq!(sums.iter().map(|balance| balance.available).collect::<Vec<_>>(), [12 * 16 + 4; 3]);
    second.terminate();
    house.end().await;
}
