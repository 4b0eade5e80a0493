//! Two server processes on one database, one wallet: the outcome is that of some serial order.

use futures::future::join_all;
use harness::calls::{
    balance_of, create_program, create_reward, enroll, purchase, reason, record, redeem, redemption,
};
use harness::house::{House, client};
use harness::process::Process;
use harness::servers::{Postgres, Redis};

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
