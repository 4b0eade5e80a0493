//! Loyalty and notification as two processes on PostgreSQL, killed with -9 at random moments: every
//! redemption is told exactly once, in order.

use std::collections::BTreeMap;

use harness::calls::{create_program, create_reward, enroll, purchase, record, redeem, redemption};
use harness::house::client;
use harness::process::Process;
use harness::processes::applied;
use harness::servers::{Postgres, Redis};
use proto::rapport::notification::v1 as pb;
use proto::rapport::notification::v1::inbox_service_client::InboxServiceClient;
use rand::{RngExt, SeedableRng};
use rpc::client::Client;

const ROUNDS: usize = 24;
const MEMBERS: usize = 5;

async fn inbox(notification: &Client, member: &str) -> Vec<pb::InboxMessage> {
    let request =
        pb::ListInboxRequest { recipient_id: member.into(), page_size: 1_000, ..Default::default() };
    let asked = InboxServiceClient::new(notification.clone()).list_inbox(request).await;
    let mut messages = asked.expect("an inbox").into_inner().messages;
    messages.sort_by_key(|message| message.seq);
    messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_redemption_is_told_once() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let server = Postgres::start();
    let (ledger, messages) = (server.fresh_database().await, server.fresh_database().await);
    Process::migrate(&ledger);
    Process::migrate_service("notification", &messages);
    let mut notification = Process::notification(&messages);
    let mut loyalty =
        Process::loyalty_notifying(&ledger, &["--redis-url", Redis::start().url()], &notification);
    let caller = client(&loyalty.target()).await;
    create_program(&caller).await;
    create_reward(&caller, "sticker", 1, None).await;
    let mut members = Vec::new();
    for i in 0..MEMBERS {
        let member = enroll(&caller, &format!("member-{i}")).await;
        record(&caller, purchase(&member, 900)).await.expect("points");
        members.push(member);
    }
    let mut redeemed: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for _ in 0..random.random_range(1..20) {
            let member = members[random.random_range(0..MEMBERS)].as_str();
            redeem(&caller, redemption(member, "sticker")).await.expect("a redemption");
            *redeemed.entry(member).or_default() += 1;
        }
        match random.random_range(0..3) {
            0 => {
                loyalty.kill();
                loyalty.restart();
            }
            1 => {
                notification.kill();
                notification.restart();
            }
            _ => {}
        }
    }
    applied(&client(&loyalty.target()).await, 1).await;
    let reader = client(&notification.target()).await;
    for (member, count) in redeemed {
        let told = inbox(&reader, member).await;
        assert_eq!(told.len(), count, "seed {seed}");
        let seqs: Vec<i64> = told.iter().map(|message| message.seq).collect();
        assert_eq!(seqs, (1..=i64::try_from(count).expect("few")).collect::<Vec<_>>(), "seed {seed}");
        // Each says what was left, so their order is that of the redemptions.
        for (number, message) in told.iter().enumerate() {
            let left = (899 - number).to_string();
            assert!(message.body.contains(&left), "seed {seed}: {left} is not in {}", message.body);
        }
    }
    loyalty.terminate();
    notification.terminate();
}
