//! Two server processes on one database, one wallet or several: the outcome is that of some serial order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use db::Db;
use futures::FutureExt;
use futures::future::join_all;
use harness::calls::{
    balance, balance_of, create_program, create_reward, enroll, purchase, reason, record, redeem, redemption,
};
use harness::database;
use harness::house::House;
use harness::moves::{merge, merger, unmerge};
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::adjust_points_result::Result::Response;
use rpc::client::Client;
use sea_orm::ConnectionTrait;
use tokio::sync::Notify;

use crate::limits_hold::adjustment;
use crate::members_are_known::adjust;
use crate::rules_say_what_activities_earn::{cap, capped, per_dollar, under};
use crate::two_processes_race_for_rewards::both;

/// How long it may take, on a busy machine, until somebody waits.
const WAIT_MAX: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_one_wallet() {
    let (house, second, a, b) = both().await;
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

/// Whoever got no answer asks again, and may reach the other process while the first one is at it: what both
/// read before they had the wallet is no longer true for the second of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_are_asked_the_same() {
    let (house, second, a, b) = both().await;
    let daily = pb::Cap { overflow: pb::CapOverflow::Reject.into(), ..cap(10, pb::CapPeriod::Day) };
    under(&a, vec![capped(per_dollar("purchases", 1), daily)]).await;
    create_reward(&a, "yacht", 1_000_000, None).await;
    let member = enroll(&a, "anna").await;
    adjust(&a, &member, 100, "welcome").await.unwrap();

    let take = |points: i64| adjustment(&member, -points);
    let mode = pb::BatchMode::AllOrNothing.into();
    let all = pb::BatchAdjustPointsRequest { requests: vec![take(60), take(30)], mode };
    let taken = async |client: &Client| {
        let mut points = pb::points_service_client::PointsServiceClient::new(client.clone());
        let results = points.batch_adjust_points(all.clone()).await.unwrap().into_inner().results;
        results.into_iter().map(|one| matches!(one.result, Some(Response(_)))).collect::<Vec<_>>()
    };
    let both = while_held(&house, &member, async || futures::join!(taken(&a), taken(&b))).await;
    assert_eq!(both, (vec![true, true], vec![true, true]));
    assert_eq!(balance_of(&a, &member).await.available, 10);

    let scanned = async |client: &Client| {
        let mut scanned = purchase(&member, 10);
        scanned.activity.as_mut().unwrap().external_id = "receipt".into();
        record(client, scanned).await.map_err(|refused| reason(&refused))
    };
    let (one, other) = while_held(&house, &member, async || futures::join!(scanned(&a), scanned(&b))).await;
    let refused = one.err().or(other.err()).expect("one of them is too late");
    assert_eq!(refused, "ACTIVITY_EXISTS", "it is no matter of the cap");
    assert_eq!(balance_of(&a, &member).await.available, 20);

    // What is refused leaves the wallet as it was, and yet is answered from its record.
    let wish = redemption(&member, "yacht");
    let wished = async |client: &Client| reason(&redeem(client, wish.clone()).await.unwrap_err());
    let both = while_held(&house, &member, async || futures::join!(wished(&a), wished(&b))).await;
    assert_eq!(both, ("INSUFFICIENT_POINTS".to_owned(), "INSUFFICIENT_POINTS".to_owned()));
    let audit = house.audit().await;
    assert!(audit.sound, "{:#?}", audit.checks);
    second.terminate();
    house.end().await;
}

/// Whoever stopped waiting was told so, and is right: what waited behind others is not done after all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_too_long_is_never_done() {
    let house = House::process().await;
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    let [is_held, is_waited_for, is_over] = [const { Notify::const_new() }; 3].map(Arc::new);
    let lock = format!("SELECT 1 FROM wallet WHERE wallet_id = '{member}' FOR UPDATE");
    let hold = house.db().transact(|tx| {
        let (db, lock) = (house.db().clone(), lock.clone());
        let (is_held, is_waited_for, is_over) = (is_held.clone(), is_waited_for.clone(), is_over.clone());
        async move {
            tx.execute_unprepared(&lock).await?;
            is_held.notify_one();
            waiting(&db, 1).await;
            is_waited_for.notify_one();
            is_over.notified().await;
            Ok(())
        }
        .boxed()
    });
    let first = async {
        is_held.notified().await;
        record(&client, purchase(&member, 1)).await
    };
    let late = async {
        is_waited_for.notified().await;
        let mut request = tonic::Request::new(purchase(&member, 100));
        request.set_timeout(Duration::from_millis(300));
        let mut activities = pb::activity_service_client::ActivityServiceClient::new(client.clone());
        let told = activities.record_activity(request).await.unwrap_err().code();
        // Where it waits its time began later, by what it was on its way.
        let until = Instant::now() + Duration::from_millis(500);
        while Instant::now() < until {
            balance_of(&client, &member).await;
        }
        is_over.notify_one();
        told
    };
    let (held, first, late) = futures::join!(hold, first, late);
    held.expect("both waited");
    assert_eq!((first.is_ok(), late), (true, tonic::Code::DeadlineExceeded));
    record(&client, purchase(&member, 10)).await.unwrap();
    assert_eq!(balance_of(&client, &member).await.available, 11);
    house.end().await;
}

/// Resolves once so many wait for a row that somebody else has.
async fn waiting(db: &Db, count: i64) {
    const WAITING: &str = "SELECT COUNT(*) AS n FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waits = async {
        while database::count(db, WAITING).await < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WAIT_MAX, waits).await.expect("they wait");
}

/// Makes calls while nobody else may have a wallet, and lets go once two of them wait for it.
async fn while_held<T>(house: &House, member: &str, calls: impl AsyncFnOnce() -> T) -> T {
    let lock = format!("SELECT 1 FROM wallet WHERE wallet_id = '{member}' FOR UPDATE");
    after(house, &lock, 2, calls).await
}

/// Makes calls once a statement has locked what they need, and commits it once so many of them wait for it.
pub(crate) async fn after<T>(house: &House, sql: &str, count: i64, calls: impl AsyncFnOnce() -> T) -> T {
    let is_held = Arc::new(Notify::new());
    let hold = house.db().transact(|tx| {
        let (db, sql, is_held) = (house.db().clone(), sql.to_owned(), is_held.clone());
        async move {
            tx.execute_unprepared(&sql).await?;
            is_held.notify_one();
            waiting(&db, count).await;
            Ok(())
        }
        .boxed()
    });
    let calls = async {
        is_held.notified().await;
        calls().await
    };
    let (held, told) = futures::join!(hold, calls);
    held.expect("they wait for it");
    told
}

/// What one process knows of where members are is wrong as soon as the other one moves them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_move_members() {
    let (house, second, a, b) = both().await;
    let clients = [a, b];
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
