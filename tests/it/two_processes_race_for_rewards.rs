//! Two server processes on PostgreSQL and Redis, and everybody wants the same at the same moment: the last
//! unit, the last points, or to end a hold.

use ambient::Clock;
use futures::future::join_all;
use harness::calls::{
    balance_of, create_program, create_reward, enroll, purchase, reason, record, redeem, redemption,
};
use harness::holds::{capture, captured, held, hold, void, voided};
use harness::house::{House, client};
use harness::process::Process;
use harness::servers::{Postgres, Redis};
use rpc::client::Client;
use tonic::Status;

use crate::rewards_are_held::{numbers, units};

/// Two processes on one database, and a client of each.
pub(crate) async fn both() -> (House, Process, Client, Client) {
    let url = Postgres::start().fresh_database().await;
    let redis = Redis::start().url();
    let house = House::process_on(&url, redis).await;
    let second = Process::loyalty(&url, &["--redis-url", redis]);
    let (a, b) = (house.client(), client(&second.target()).await);
    create_program(&a).await;
    (house, second, a, b)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_unit_goes_to_one_of_a_thousand() {
    let (house, _second, a, b) = both().await;
    create_reward(&a, "bicycle", 10, Some(1)).await;
    let names: Vec<String> = (0..50).map(|i| format!("racer-{i}")).collect();
    let members = join_all(names.iter().map(|name| enroll(&a, name))).await;
    join_all(members.iter().map(|member| record(&a, purchase(member, 200)))).await;
    let racers = (0..1_000).map(|i| {
        let (client, member) = (if i % 2 == 0 { &a } else { &b }, &members[i % members.len()]);
        async move {
            if i % 4 < 2 {
                redeem(client, redemption(member, "bicycle")).await.map(|_| ())
            } else {
                held(client, hold(member, "bicycle", 600)).await.map(|_| ())
            }
        }
    });
    let answers = join_all(racers).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for refused in answers.into_iter().filter_map(Result::err) {
        assert_eq!(reason(&refused), "OUT_OF_STOCK", "{refused:?}");
    }
    assert!(house.audit().await.sound);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_want_the_last_points() {
    let (house, _second, a, b) = both().await;
    create_reward(&a, "sticker", 10, None).await;
    let anna = enroll(&a, "anna").await;
    record(&a, purchase(&anna, 100)).await.unwrap();
    let asking = (0..200).map(|i| redeem(if i % 2 == 0 { &a } else { &b }, redemption(&anna, "sticker")));
    let answers = join_all(asking.map(|asking| async { asking.await.map(|_| ()) })).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
    for refused in answers.into_iter().filter_map(Result::err) {
        assert_eq!(reason(&refused), "INSUFFICIENT_POINTS", "{refused:?}");
    }
    assert_eq!(numbers(&balance_of(&b, &anna).await), (0, 0, 100));
    assert!(house.audit().await.sound);
    house.end().await;
}

/// How a hold ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Captured,
    Voided,
    TimedOut,
}

fn end_of(one: Result<(), Status>, two: Result<(), Status>) -> End {
    let told = |answer: Result<(), Status>| answer.map_err(|refused| reason(&refused));
    match (told(one), told(two)) {
        (Ok(()), Err(late)) if late == "ALREADY_CAPTURED" => End::Captured,
        (Err(late), Ok(())) if late == "ALREADY_VOIDED" => End::Voided,
        (Err(one), Err(two)) if one == "HOLD_EXPIRED" && two == "HOLD_EXPIRED" => End::TimedOut,
        other => panic!("{other:?}"),
    }
}

/// Ends a hold of one second at its last moment, from both sides.
async fn round(a: &Client, b: &Client, member: &str) -> End {
    let made = held(a, hold(member, "mug", 1)).await.unwrap().redemption.unwrap();
    let expire = made.hold_expire_time.unwrap();
    let end = expire.seconds * 1_000_000 + i64::from(expire.nanos) / 1_000;
    // Reads fill the time up to its end, as those of a real checkout do.
    while Clock::System.now().micros() < end - 2_000 {
        balance_of(b, member).await;
    }
    let (one, two) = tokio::join!(captured(a, capture(&made)), voided(b, void(&made)));
    end_of(one.map(|_| ()), two.map(|_| ()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_holds_end_in_one_way_each() {
    const MEMBERS: usize = 50;
    let (house, _second, a, b) = both().await;
    create_reward(&a, "mug", 10, Some(10_000)).await;
    let names: Vec<String> = (0..MEMBERS).map(|i| format!("racer-{i}")).collect();
    let members = join_all(names.iter().map(|name| enroll(&a, name))).await;
    join_all(members.iter().map(|member| record(&a, purchase(member, 1_000)))).await;
    let rounds = members.iter().map(|member| {
        let (a, b) = (&a, &b);
        async move {
            let mut captures = 0;
            for n in 0..1_000 / MEMBERS {
                let (one, two) = if n % 2 == 0 { (a, b) } else { (b, a) };
                captures += i64::from(round(one, two, member).await == End::Captured);
            }
            let balance = balance_of(a, member).await;
            assert_eq!(numbers(&balance), (1_000 - 10 * captures, 0, 10 * captures));
            captures
        }
    });
    let captures: i64 = join_all(rounds).await.into_iter().sum();
    assert_eq!(units(&b, "mug").await, 10_000 - captures);
    let ended = "SELECT COUNT(*) AS n FROM redemption_step WHERE kind IN (3, 4, 5)";
    assert_eq!(house.count(ended).await, 1_000, "each hold ended once");
    assert!(house.audit().await.sound);
    house.end().await;
}
