//! Whatever scoring says can be made again: from the start of the logs into an empty database, and from the
//! observations it keeps. Profiles and scores are the same to the byte.

use harness::calls::{
    answer, create_program, create_reward, enroll, profile, purchase, record, redeem, redemption, scores,
    submit,
};
use harness::process::{Process, rapport};
use harness::processes::Processes;
use harness::servers::Postgres;
use prost::Message;
use proto::rapport::feedback::v1::answer::Value::{Csat, Nps};
use proto::rapport::scoring::v1 as pb;
use rpc::client::Client;
use suite::compose::Role;

const MEMBERS: usize = 6;
/// How long it may take until relays ask again and everything is applied, on a busy machine.
const ANEW_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// Everything that scoring says about these customers, encoded.
async fn everything(scorer: &Client, members: &[String]) -> Vec<Vec<u8>> {
    let mut said = Vec::new();
    for member in members {
        said.push(profile(scorer, member).await.expect("a profile").encode_to_vec());
    }
    for metric in [pb::Metric::Nps, pb::Metric::Csat, pb::Metric::CesHighIsEasy] {
        said.push(scores(scorer, metric).await.encode_to_vec());
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_logs_and_from_the_observations() {
    let mut processes = Processes::start(&[]).await;
    let (loyalty, feedback) = (processes.client(Role::Loyalty).await, processes.client(Role::Feedback).await);
    create_program(&loyalty).await;
    create_reward(&loyalty, "mug", 30, None).await;
    let mut members = Vec::new();
    for n in 0..MEMBERS {
        let member = enroll(&loyalty, &format!("member-{n}")).await;
        let score = i32::try_from(n).expect("few");
        for units in [700, 60] {
            record(&loyalty, purchase(&member, units * i64::from(score + 1))).await.expect("points");
        }
        redeem(&loyalty, redemption(&member, "mug")).await.expect("a redemption");
        submit(&feedback, answer(&format!("a{n}"), &member, Nps(2 * score))).await.expect("feedback");
        submit(&feedback, answer(&format!("b{n}"), &member, Csat(1 + score % 5))).await.expect("feedback");
        members.push(member);
    }
    processes.settled().await;
    let before = everything(&processes.client(Role::Scoring).await, &members).await;

    let url = processes.database_url(Role::Scoring).to_owned();
    let rebuilt = rapport(&["rebuild", "--database-url", &url, "--output", "json"]);
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    let rebuilt: serde_json::Value = serde_json::from_slice(&rebuilt.stdout).expect("JSON");
    assert!(rebuilt["observations"].as_i64().expect("a count") >= 6 * 5, "{rebuilt}");
    let again = everything(&processes.client(Role::Scoring).await, &members).await;
    assert!(before == again, "from the observations");

    let empty = Postgres::start().fresh_database().await;
    Process::migrate_service("scoring", &empty);
    let scoring = processes.of(Role::Scoring);
    scoring.kill();
    scoring.restart_on(&empty);
    // The logs are quiet: their relays find out by themselves that their subscriber begins anew.
    let scorer = processes.client(Role::Scoring).await;
    let anew = async {
        let known = async |member: &String| profile(&scorer, member).await.is_ok();
        for member in &members {
            while !known(member).await {
                tokio::task::yield_now().await;
            }
        }
        while everything(&scorer, &members).await != before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(ANEW_MAX, anew).await.expect("the same from the start of the logs");
    processes.terminate();
}
