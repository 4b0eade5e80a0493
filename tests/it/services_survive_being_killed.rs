//! Any process of the suite, killed with -9 at random moments, hundreds of times, while customers buy, redeem
//! and complain: in the end every service says what it would have said without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use harness::calls::{
    answer, balance, create_program, create_reward, enroll, named, profile, purchase, record, redeem,
    redemption, scores, submit, told,
};
use harness::process::Process;
use harness::processes::{Processes, Shape};
use proto::rapport::feedback::v1 as feedback;
use proto::rapport::feedback::v1::answer::Value::Csat;
use proto::rapport::loyalty::v1 as loyalty;
use proto::rapport::scoring::v1 as scoring;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rpc::client::Client;
use suite::compose::Role;
use tonic::Status;

const MEMBERS: usize = 4;
const COMMANDS: usize = 150;
/// How long a command may take over all restarts, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a member does next, in a request that can be sent again.
#[derive(Clone)]
enum Command {
    Buy(Box<loyalty::RecordActivityRequest>, i64),
    Redeem(loyalty::RedeemRewardRequest),
    Answer(Box<feedback::Feedback>, i32),
}

/// What everything must come to for a member.
#[derive(Default)]
struct Expected {
    points: i64,
    purchases: i64,
    redemptions: usize,
    answers: Vec<i32>,
}

/// Commands of one member, which the points always suffice for.
fn commands(member: &str, name: &str, random: &mut StdRng) -> (Vec<Command>, Expected) {
    let (mut commands, mut expected) = (Vec::new(), Expected::default());
    for n in 0..COMMANDS {
        let request_id = named(&format!("{name}/{n}"));
        commands.push(match random.random_range(0..3) {
            0 if expected.points > 0 => {
                expected.points -= 1;
                expected.redemptions += 1;
                Command::Redeem(loyalty::RedeemRewardRequest { request_id, ..redemption(member, "sticker") })
            }
            1 => {
                let csat = random.random_range(1..=5);
                expected.answers.push(csat);
                Command::Answer(Box::new(answer(&request_id, member, Csat(csat))), csat)
            }
            _ => {
                let units = random.random_range(1..9);
                expected.points += units;
                expected.purchases += 1;
                let bought = loyalty::RecordActivityRequest { request_id, ..purchase(member, units) };
                Command::Buy(Box::new(bought), units)
            }
        });
    }
    (commands, expected)
}

/// Sends until it is answered.
async fn patiently<T>(what: &str, call: impl Fn() -> BoxFuture<'static, Result<T, Status>>) -> T {
    let trying = async {
        loop {
            match call().await {
                Ok(answer) => return answer,
                Err(status) => assert!(is_passing(status.code()), "{what}: {status:?}"),
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, trying).await.unwrap_or_else(|_| panic!("{what} is never answered"))
}

fn is_passing(code: tonic::Code) -> bool {
    use tonic::Code::{Cancelled, DeadlineExceeded, Unavailable, Unknown};
    matches!(code, Cancelled | DeadlineExceeded | Unavailable | Unknown)
}

async fn live(loyalty: Client, feedback: Client, commands: Vec<Command>, done: Arc<AtomicUsize>) {
    for command in commands {
        match command {
            Command::Buy(request, units) => {
                let call = || {
                    let (client, request) = (loyalty.clone(), request.clone());
                    Box::pin(async move { record(&client, *request).await }) as BoxFuture<_>
                };
                let recorded: loyalty::RecordActivityResponse = patiently("a purchase", call).await;
                let activity = recorded.activity.expect("an activity");
                assert_eq!(activity.points, units);
            }
            Command::Redeem(request) => {
                let call = || {
                    let (client, request) = (loyalty.clone(), request.clone());
                    Box::pin(async move { redeem(&client, request).await }) as BoxFuture<_>
                };
                patiently("a redemption", call).await;
            }
            Command::Answer(request, csat) => {
                let call = || {
                    let (client, request) = (feedback.clone(), request.clone());
                    Box::pin(async move { submit(&client, *request).await }) as BoxFuture<_>
                };
                let taken: feedback::SubmitFeedbackResponse = patiently("an answer", call).await;
                assert_eq!(taken.case_id.is_empty(), csat > 2);
            }
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

fn kill_one(shape: &mut Shape, random: &mut StdRng) {
    let victim = shape.of(Role::ALL[random.random_range(0..Role::ALL.len())]);
    victim.kill();
    victim.restart();
}

/// Returns how many messages there are in the end.
async fn survive(mut shape: Shape, kills: usize) -> usize {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let loyalty = shape.client(Role::Loyalty).await;
    let feedback = shape.client(Role::Feedback).await;
    create_program(&loyalty).await;
    create_reward(&loyalty, "sticker", 1, None).await;
    let (mut members, mut lives) = (Vec::new(), Vec::new());
    let done = Arc::new(AtomicUsize::new(0));
    for n in 0..MEMBERS {
        let member = enroll(&loyalty, &format!("member-{n}")).await;
        let (commands, expected) = commands(&member, &format!("{seed}/{n}"), &mut random);
        lives.push(tokio::spawn(live(loyalty.clone(), feedback.clone(), commands, done.clone())));
        members.push((member, expected));
    }
    let all = MEMBERS * COMMANDS;
    for kill in 0..kills {
        // Kills spread over the whole story, a few commands apart, and some while events are on their way.
        let due = (all * kill / kills + random.random_range(0..3)).min(all);
        while done.load(Ordering::Relaxed) < due && !lives.iter().all(tokio::task::JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
        tokio::task::block_in_place(|| kill_one(&mut shape, &mut random));
    }
    for life in lives {
        life.await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    shape.settled().await;
    let messages = check(&shape, &members, seed).await;
    shape.terminate();
    messages
}

async fn check(shape: &Shape, members: &[(String, Expected)], seed: u64) -> usize {
    let mut messages = 0;
    let (loyalty, scorer) = (shape.client(Role::Loyalty).await, shape.client(Role::Scoring).await);
    let notifier = shape.client(Role::Notification).await;
    for (member, expected) in members {
        // From the database: a cached balance may be older, if its process was killed before it told.
        let view = loyalty::BalanceView::Full.into();
        let asked = loyalty::GetBalanceRequest { member_id: member.clone(), view, ..Default::default() };
        let found = balance(&loyalty, asked).await.expect("an answer").balance.expect("a balance");
        assert_eq!(found.available, expected.points, "seed {seed}");
        let profile = profile(&scorer, member).await.expect("a profile");
        assert_eq!(profile.purchases.expect("purchases").count, expected.purchases, "seed {seed}");
        let redeemed = i64::try_from(expected.redemptions).expect("few");
        assert_eq!((profile.redemption_count, profile.points_spent), (redeemed, redeemed), "seed {seed}");
        let complaints = expected.answers.iter().filter(|csat| **csat <= 2).count();
        assert_eq!(profile.cases_opened_count, i64::try_from(complaints).expect("few"), "seed {seed}");
        let templates = told(&notifier, member).await;
        messages += templates.len();
        let count = |id: &str| templates.iter().filter(|template| *template == id).count();
        assert_eq!(count("reward_redeemed"), expected.redemptions, "seed {seed}");
        assert_eq!(count("complaint_received"), complaints, "seed {seed}");
    }
    let answers: Vec<i32> = members.iter().flat_map(|(_, expected)| expected.answers.clone()).collect();
    let satisfied = answers.iter().filter(|csat| **csat >= 4).count();
    let total = scores(&scorer, scoring::Metric::Csat).await.total.expect("a score");
    let receipt = total.receipt.expect("a receipt");
    assert_eq!(receipt.denominator, i64::try_from(answers.len()).expect("few"), "seed {seed}");
    let share = satisfied as f64 / answers.len() as f64;
    assert!((total.value.expect("a score") - share).abs() < 1e-12, "seed {seed}");
    messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_processes() {
    survive(Shape::Four(Processes::start(&[]).await), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let sink = dir.path().join("messages.jsonl");
    let variable = [("RAPPORT__NOTIFICATION__FILE_SINK", sink.to_str().expect("a path"))];
    let messages = survive(Shape::One(Box::new(Process::embedded_with(&variable))), 100).await;
    // Ending in order hands over what is left.
    let written = std::fs::read_to_string(&sink).expect("a file of messages");
    let lines = written.lines().map(|line| serde_json::from_str(line).expect("a line of JSON"));
    let ids: Vec<String> = lines.map(|line: serde_json::Value| line["notification_id"].to_string()).collect();
    assert_eq!(ids.len(), messages, "each message is in the file");
    assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), messages, "and none twice");
}
