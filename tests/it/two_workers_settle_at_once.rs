//! Workers of two replicas find the same wallets due at the same moment: everything falls due once.

use futures::future::join_all;
use harness::calls::{PROGRAM, balance_of, create_program_like, enroll, program, purchase, record};
use harness::house::House;
use harness::moves::{day, member};
use proto::rapport::loyalty::v1 as pb;
use suite::compose::Suite;

use crate::friends_are_rewarded::{joined, reward_of};
use crate::rules_say_what_activities_earn::{per_dollar, under};

const MEMBERS: usize = 300;

async fn settle(suite: &Suite) -> usize {
    let settler = suite.loyalty().expect("a ledger").settler();
    let mut settled = 0;
    loop {
        match settler.run_once().await.expect("the database answers") {
            0 => return settled,
            more => settled += more,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn releases_expiries_and_rewards_of_friends_come_once() {
    let house = House::postgres().await;
    let client = house.client();
    let referral_policy = Some(pb::ReferralPolicy { wait_days: 14, ..Default::default() });
    let policy = Some(pb::release_policy::Policy::AfterDays(14));
    let release_policy = Some(pb::ReleasePolicy { policy });
    let wanted = pb::Program { referral_policy, release_policy, ..program(PROGRAM) };
    create_program_like(&client, wanted).await;
    let rewards = [("referrer", 7), ("friend", 5)].map(reward_of);
    under(&client, [vec![per_dollar("purchases", 1)], rewards.to_vec()].concat()).await;
    let anna = member(&client, &enroll(&client, "anna").await).await;
    let friends = (0..MEMBERS).map(|n| {
        let (client, code) = (client.clone(), anna.referral_code.clone());
        async move {
            let friend = joined(&client, &format!("friend-{n}"), &code).await;
            record(&client, purchase(&friend.member_id, 20)).await.unwrap();
        }
    });
    join_all(friends).await;
    let second = house.replica().await;
    for n in [14, 28, 104, 118] {
        house.clock().advance_to(day(n));
        let _ = tokio::join!(settle(house.suite()), settle(&second));
    }
    let count = async |sql: &str| house.count(&format!("SELECT COUNT(*) AS n FROM {sql}")).await;
    let members = MEMBERS as i64;
    assert_eq!(count("posting WHERE reason = 1 AND points = 20").await, members);
    assert_eq!(count("posting WHERE reason = 1 AND points = 7").await, members, "anna, for each friend");
    assert_eq!(count("posting WHERE reason = 1 AND points = 5").await, members);
    for (reason, what) in [(5, "released"), (2, "expired")] {
        assert_eq!(count(&format!("posting WHERE reason = {reason}")).await, 3 * members, "{what}");
    }
    let balance = balance_of(&client, &anna.member_id).await;
    assert_eq!((balance.issued, balance.expired, balance.available), (7 * members, 7 * members, 0));
    assert!(second.shutdown(None).await);
    house.end().await;
}
