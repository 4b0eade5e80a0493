//! Kill -9 at random moments, of the service or of its database: every acknowledged command is there once,
//! every retry finds it, the books agree.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use harness::calls::{
    balance, create_program, create_reward, enroll, named, purchase, reason, record, redeem, redemption,
};
use harness::holds::{capture, captured, held, hold, refund, refunded};
use harness::house::House;
use harness::offers::{offer, upload, voucher};
use harness::servers::{Durability, Postgres, Redis};
use proto::rapport::loyalty::v1 as pb;
use rand::{RngExt, SeedableRng};
use tonic::Code;

const KILLS: usize = 12;
const CALLERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_is_killed() {
    let house = House::process().await;
    under_load(house, KILLS, |house| {
        house.own_process().kill();
        house.own_process().restart();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_killed() {
    let mut postgres = Postgres::private(Durability::Full);
    let url = postgres.fresh_database().await;
    let house = House::process_on(&url, Redis::start().url()).await;
    under_load(house, KILLS / 3, |_| postgres.restart()).await;
}

/// Callers that never give up, while something is killed after random numbers of their commands.
async fn under_load(mut house: House, kills: usize, mut kill: impl FnMut(&mut House)) {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "sticker", 3, Some(1_000_000)).await;
    offer(&client, voucher("voucher", 3)).await.expect("it is created");
    let codes: Vec<String> = (0..50_000).map(|n| format!("code-{n}")).collect();
    upload(&client, "voucher", &codes, 10_000).await.expect("they are added");
    let mut members = Vec::new();
    for i in 0..CALLERS {
        members.push(enroll(&client, &format!("member-{i}")).await);
    }
    let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let callers: Vec<_> = members
        .iter()
        .enumerate()
        .map(|(i, member)| {
            tokio::spawn(caller(i, member.clone(), client.clone(), done.clone(), stop.clone()))
        })
        .collect();
    for _ in 0..kills {
        // A random number of commands after the last kill, not a random time: slow machines are killed as
        // often.
        let until = done.load(Ordering::SeqCst) + random.random_range(1..400);
        while done.load(Ordering::SeqCst) < until {
            tokio::task::yield_now().await;
        }
        kill(&mut house);
    }
    stop.store(true, Ordering::SeqCst);
    let mut handed_out = BTreeSet::new();
    for (caller, member) in callers.into_iter().zip(&members) {
        let Had { issued, redeemed, codes, read_token } = caller.await.expect("a caller ends");
        assert!(codes.into_iter().all(|code| handed_out.insert(code)), "a code went to two, seed {seed}");
        let request = pb::GetBalanceRequest { member_id: member.clone(), read_token, ..Default::default() };
        let balance = balance(&client, request).await.expect("an answer").balance.expect("a balance");
        assert_eq!((balance.issued, balance.redeemed), (issued, redeemed), "seed {seed}");
    }
    house.end().await;
}

/// What must have come of a caller's commands.
#[derive(Default)]
struct Had {
    /// Points.
    issued: i64,
    /// Points.
    redeemed: i64,
    codes: Vec<String>,
    /// Of the last answer.
    read_token: String,
}

/// Sends commands one after the other, each until it is answered.
async fn caller(
    number: usize,
    member: String,
    client: rpc::client::Client,
    done: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
) -> Had {
    let mut had = Had::default();
    let mut n = 0;
    while !stop.load(Ordering::SeqCst) {
        n += 1;
        let request_id = named(&format!("{number}/{n}"));
        if n % 4 == 1 {
            let (refund_id, capture_id) =
                (named(&format!("{number}/{n}/r")), named(&format!("{number}/{n}/c")));
            let request = pb::CreateRedemptionRequest { request_id, ..hold(&member, "voucher", 600) };
            let Some(made) = until_answered(|| held_or_poor(&client, request.clone())).await else {
                continue;
            };
            let request = pb::CaptureRedemptionRequest { request_id: capture_id, ..capture(&made) };
            let answer = until_answered(|| captured(&client, request.clone())).await;
            let done = answer.redemption.expect("a redemption");
            had.redeemed += done.points;
            had.codes.extend(done.codes);
            let request = pb::RefundRedemptionRequest { request_id: refund_id, ..refund(&made, Some(1)) };
            let answer = until_answered(|| refunded(&client, request.clone())).await;
            had.redeemed -= answer.points_refunded;
            had.read_token = answer.read_token;
        } else if n % 4 == 0 {
            let request = pb::RedeemRewardRequest { request_id, ..redemption(&member, "sticker") };
            let answer = until_answered(|| redeem(&client, request.clone())).await;
            had.redeemed += answer.redemption.expect("a redemption").points;
            had.read_token = answer.read_token;
        } else {
            let request = pb::RecordActivityRequest { request_id, ..purchase(&member, 5) };
            let answer = until_answered(|| record(&client, request.clone())).await;
            had.issued += answer.activity.expect("an activity").points;
            had.read_token = answer.read_token;
        }
        done.fetch_add(1, Ordering::SeqCst);
    }
    had
}

/// What is held; nothing if there are too few points.
async fn held_or_poor(
    client: &rpc::client::Client,
    request: pb::CreateRedemptionRequest,
) -> Result<Option<pb::Redemption>, tonic::Status> {
    match held(client, request).await {
        Ok(answer) => Ok(answer.redemption),
        Err(status) if reason(&status) == "INSUFFICIENT_POINTS" => Ok(None),
        Err(status) => Err(status),
    }
}

/// Asks again with the same request id as long as nobody answers.
async fn until_answered<T, F: Future<Output = Result<T, tonic::Status>>>(ask: impl Fn() -> F) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(status) => {
                let lost = [
                    Code::Unavailable,
                    Code::Cancelled,
                    Code::Unknown,
                    Code::DeadlineExceeded,
                    Code::Internal,
                ];
                assert!(lost.contains(&status.code()), "{status:?}");
                tokio::task::yield_now().await;
            }
        }
    }
}
