//! A subscriber that has lost its database, after the logs have dropped what it needs, is brought what the
//! sources know, and reads their logs on from there: it says the same as before, and counts nothing twice.

use std::path::Path;
use std::time::Duration;

use db::sea_orm::ConnectionTrait;
use db::{Db, Settings};
use futures::FutureExt;
use harness::calls::{
    answer, create_program, create_reward, enroll, profile, purchase, record, redeem, redemption, scores,
    submit,
};
use harness::process::{Process, rapport};
use harness::processes::{Processes, Shape};
use harness::servers::Postgres;
use prost::Message;
use proto::rapport::event::v1 as events;
use proto::rapport::event::v1::event_log_service_client::EventLogServiceClient;
use proto::rapport::feedback::v1::answer::Value::{Csat, Nps};
use proto::rapport::scoring::v1 as pb;
use rpc::client::Client;
use suite::compose::Role;

/// How long a relay may take to learn what its subscriber needs, on a busy machine.
const LEARN_MAX: Duration = Duration::from_secs(60);
const SOURCES: [Role; 2] = [Role::Loyalty, Role::Feedback];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_processes() {
    let mut shape = Shape::Four(Processes::start(&[]).await);
    let members = history(&shape).await;
    let before = everything(&shape, &members).await;
    let Shape::Four(processes) = &mut shape else { unreachable!("it was made so") };
    for role in SOURCES {
        processes.of(role).kill();
        let url = processes.database_url(role).to_owned();
        lose_log(&Settings::Postgres { url, connections_max: 1 }).await;
    }
    processes.of(Role::Scoring).kill();
    let empty = Postgres::start().fresh_database().await;
    Process::migrate_service("scoring", &empty);
    processes.of(Role::Scoring).restart_on(&empty);
    for role in SOURCES {
        processes.of(role).restart();
    }
    brought(shape, &members, before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process() {
    let mut shape = Shape::One(Box::new(Process::embedded()));
    let members = history(&shape).await;
    let before = everything(&shape, &members).await;
    let process = shape.of(Role::Scoring);
    process.kill();
    let dir = Path::new(process.data_dir()).to_owned();
    for role in SOURCES {
        let file = dir.join(format!("{}.sqlite", role.name()));
        lose_log(&Settings::Sqlite { file, synchronous: db::Synchronous::Full }).await;
    }
    for file in std::fs::read_dir(&dir).expect("a directory").flatten() {
        if file.file_name().to_string_lossy().starts_with("scoring.sqlite") {
            std::fs::remove_file(file.path()).expect("a file that can be removed");
        }
    }
    shape.of(Role::Scoring).restart();
    brought(shape, &members, before).await;
}

/// Members of every kind: one who only bought, who redeemed, who complained and was heard, who rose.
async fn history(shape: &Shape) -> Vec<String> {
    let (loyalty, feedback) = (shape.client(Role::Loyalty).await, shape.client(Role::Feedback).await);
    create_program(&loyalty).await;
    create_reward(&loyalty, "mug", 30, None).await;
    let mut members = Vec::new();
    for score in 0..5 {
        let member = enroll(&loyalty, &format!("member-{score}")).await;
        for units in [700, 60] {
            record(&loyalty, purchase(&member, units * i64::from(score + 1))).await.expect("points");
        }
        if score > 0 {
            redeem(&loyalty, redemption(&member, "mug")).await.expect("a redemption");
            submit(&feedback, answer(&format!("a{score}"), &member, Nps(2 * score))).await.expect("feedback");
            submit(&feedback, answer(&format!("b{score}"), &member, Csat(score))).await.expect("feedback");
        }
        members.push(member);
    }
    shape.settled().await;
    members
}

/// Everything that scoring says about these customers, but for the machine times of its sources: those are
/// not kept with what the sources know.
async fn everything(shape: &Shape, members: &[String]) -> Vec<Vec<u8>> {
    let scorer = shape.client(Role::Scoring).await;
    let mut said = Vec::new();
    for member in members {
        let mut profile = profile(&scorer, member).await.expect("a profile");
        assert!(profile.update_time.take().is_some());
        said.push(profile.encode_to_vec());
    }
    for metric in [pb::Metric::Nps, pb::Metric::Csat] {
        let mut scores = scores(&scorer, metric).await;
        assert!(scores.total.as_ref().is_some_and(|total| total.value.is_some()), "{scores:?}");
        for score in scores.total.iter_mut().chain(&mut scores.scores) {
            score.receipt.as_mut().expect("a receipt").watermark_time = None;
        }
        said.push(scores.encode_to_vec());
    }
    said
}

/// What retention does when the greatest age is reached.
async fn lose_log(settings: &Settings) {
    let db = Box::pin(Db::connect(settings)).await.expect("a database");
    let lose = db.transact(|tx| {
        async move {
            tx.execute_unprepared("DELETE FROM event_log").await?;
            let sql = "UPDATE event_bucket SET first_position = last_position + 1, lease_until = 0";
            tx.execute_unprepared(sql).await?;
            Ok(())
        }
        .boxed()
    });
    lose.await.expect("events are lost");
    db.close().await;
}

/// Waits until a source knows that it has lost what scoring needs.
async fn truncated(source: Role, client: Client) {
    let mut service = EventLogServiceClient::new(client);
    let asking = async {
        loop {
            let answer = service.list_subscriptions(events::ListSubscriptionsRequest {}).await;
            let subscriptions = answer.expect("an answer").into_inner().subscriptions;
            let stands = |s: &events::Subscription| {
                s.source == source.name() && s.subscriber == "scoring" && s.buckets_truncated > 0
            };
            if subscriptions.iter().any(stands) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LEARN_MAX, asking).await.expect("LOG_TRUNCATED");
}

fn export(source: Role, subscriber: &str, target: &str) -> Result<i64, String> {
    let names = ["--source", source.name(), "--subscriber", subscriber];
    let done = rapport(
        &[&["events", "export-state"], &names[..], &["--target", target, "--output", "json"]].concat(),
    );
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into_owned());
    }
    let answer: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    Ok(answer["facts"].as_i64().expect("a count"))
}

async fn brought(mut shape: Shape, members: &[String], before: Vec<Vec<u8>>) {
    for source in SOURCES {
        truncated(source, shape.client(source).await).await;
        let target = shape.of(source).target();
        let refused = export(source, "notification", &target).expect_err("it only tells what is new");
        assert!(refused.contains("takes no state"), "{refused}");
        let unknown = export(source, "nobody", &target).expect_err("there is no such subscriber");
        assert!(unknown.contains("scoring"), "it names those there are: {unknown}");
        let facts = export(source, "scoring", &target).expect("facts");
        assert!(facts > 10, "{facts} of {}", source.name());
    }
    assert!(everything(&shape, members).await == before, "it says the same as before");
    // What comes now comes through the log, and a second export changes nothing.
    let loyalty = shape.client(Role::Loyalty).await;
    record(&loyalty, purchase(&members[0], 10)).await.expect("points");
    shape.settled().await;
    let scorer = shape.client(Role::Scoring).await;
    let purchases =
        async || profile(&scorer, &members[0]).await.expect("a profile").purchases.expect("purchases").count;
    assert_eq!(purchases().await, 3);
    let before = everything(&shape, members).await;
    for source in SOURCES {
        export(source, "scoring", &shape.of(source).target()).expect("facts");
    }
    assert!(everything(&shape, members).await == before, "everything was there");
    shape.terminate();
}
