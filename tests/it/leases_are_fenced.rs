//! Positions are given by whoever holds the lease, gap-free, and a late commit is never skipped.

use db::sea_orm::{FromQueryResult, Statement};
use events::log::Assigned;
use futures::FutureExt;
use harness::log::{Ear, KIND, On, Teller, position};
use tokio::sync::oneshot;
use uuid::Uuid;

#[derive(Debug, FromQueryResult)]
struct Gaps {
    events: i64,
    last: i64,
}

/// Fails unless the positions of every bucket are 1, 2, 3 and so on.
async fn gap_free(teller: &Teller) {
    let sql =
        "SELECT CAST(COUNT(*) AS BIGINT) AS events, MAX(position) AS last FROM event_log GROUP BY bucket";
    let db = teller.db.reader();
    let statement = Statement::from_string(db.get_database_backend(), sql);
    for bucket in Gaps::find_by_statement(statement).all(db).await.expect("rows") {
        assert_eq!(bucket.events, bucket.last, "{bucket:?}");
    }
}

/// A relay paused in the middle of a batch wakes up after another one took over: it changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_lost_its_lease_changes_nothing() {
    let (teller, ear) = (Teller::on(On::Postgres).await, Ear::on(On::Postgres, "ear").await);
    let (mut paused, mut other) =
        (teller.relay(vec![ear.link()]).await, teller.relay(vec![ear.link()]).await);
    position(&mut paused.positioner).await;
    teller.tell(Uuid::from_u128(1), 5).await;
    let waiting = teller.log.waiting(paused.positioner.leases()).await.expect("the log is read");
    assert_eq!(waiting.len(), 5);
    teller.end_leases().await;
    // With a lease that has ended, but that nobody took yet, nothing may be written either.
    let late = teller.log.assign_to(paused.positioner.leases(), waiting.clone()).await;
    assert_eq!(late.expect("an answer"), Assigned::LeaseLost);
    assert_eq!(teller.log.pending().await.expect("a count"), 5);
    position(&mut other.positioner).await;
    teller.tell(Uuid::from_u128(1), 2).await;
    let stale = teller.log.assign_to(paused.positioner.leases(), waiting).await;
    assert_eq!(stale.expect("an answer"), Assigned::Events(0), "it knows of no bucket that it holds");
    other.run_once().await.expect("events arrive");
    ear.heard_all(Uuid::from_u128(1), 7).await;
    gap_free(&teller).await;
}

/// The first relay still believes in its lease: only the database knows better.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_token_is_refused() {
    let (teller, ear) = (Teller::on(On::Postgres).await, Ear::on(On::Postgres, "ear").await);
    let (mut paused, mut other) =
        (teller.relay(vec![ear.link()]).await, teller.relay(vec![ear.link()]).await);
    position(&mut paused.positioner).await;
    teller.tell(Uuid::from_u128(1), 5).await;
    let waiting = teller.log.waiting(paused.positioner.leases()).await.expect("the log is read");
    teller.end_leases().await;
    assert_eq!(position(&mut other.positioner).await, 5);
    let stale = teller.log.assign_to(paused.positioner.leases(), waiting).await;
    assert_eq!(stale.expect("an answer"), Assigned::LeaseLost);
    other.run_once().await.expect("events arrive");
    ear.heard_all(Uuid::from_u128(1), 5).await;
    gap_free(&teller).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_relay_takes_what_the_first_gave_back() {
    let (teller, ear) = (Teller::on(On::Postgres).await, Ear::on(On::Postgres, "ear").await);
    let first = teller.relay(vec![ear.link()]).await.start();
    teller.tell(Uuid::from_u128(1), 5).await;
    first.settled().await.expect("the database answers");
    first.stop().await;
    teller.tell(Uuid::from_u128(1), 5).await;
    let mut second = teller.relay(vec![ear.link()]).await;
    assert_eq!(position(&mut second.positioner).await, 5, "without waiting for the end of a lease");
    second.run_once().await.expect("events arrive");
    ear.heard_all(Uuid::from_u128(1), 10).await;
    gap_free(&teller).await;
}

/// The transaction that appended first commits last. A reader that only looks beyond what it saw would
/// skip it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_commit_is_delivered() {
    let (teller, ear) = (Teller::on(On::Postgres).await, Ear::on(On::Postgres, "ear").await);
    let mut relay = teller.relay(vec![ear.link()]).await;
    let early = same_bucket(2);
    let (slow, fast) = (early[0], early[1]);
    let events = teller.next(slow, 2, KIND);
    let ((appended, is_appended), (go_on, wait)) = (oneshot::channel(), oneshot::channel::<()>());
    let once = std::sync::Arc::new(tokio::sync::Mutex::new(Some((appended, wait))));
    let db = teller.db.clone();
    let writing = tokio::spawn(async move {
        let written = db.transact(move |tx| {
            let (events, once) = (events.clone(), once.clone());
            async move {
                events::append(tx, events).await?;
                if let Some((appended, wait)) = once.lock().await.take() {
                    appended.send(()).expect("the story listens");
                    wait.await.expect("the story goes on");
                }
                Ok(())
            }
            .boxed()
        });
        written.await.expect("the late transaction commits");
    });
    is_appended.await.expect("appended");
    teller.tell(fast, 3).await;
    relay.run_once().await.expect("events arrive");
    ear.heard_all(fast, 3).await;
    go_on.send(()).expect("the transaction waits");
    writing.await.expect("no panic");
    relay.run_once().await.expect("events arrive");
    ear.heard_all(slow, 2).await;
    gap_free(&teller).await;
}

/// Aggregates of one bucket.
fn same_bucket(count: usize) -> Vec<Uuid> {
    let all = (1..).map(Uuid::from_u128);
    all.filter(|id| db::bucket_of(&id.to_string()) == 7).take(count).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_rolled_back_was_never_there() {
    let (teller, ear) = (Teller::on(On::Postgres).await, Ear::on(On::Postgres, "ear").await);
    let mut relay = teller.relay(vec![ear.link()]).await;
    let events = teller.next(Uuid::from_u128(1), 2, KIND);
    let rolled_back: Result<(), db::Error> = teller
        .db
        .transact(move |tx| {
            let events = events.clone();
            async move {
                events::append(tx, events).await?;
                Err(db::Error::Aborted)
            }
            .boxed()
        })
        .await;
    assert!(matches!(rolled_back, Err(db::Error::Aborted)));
    assert_eq!(relay.run_once().await.expect("an answer").0, 0);
    assert!(ear.heard().await.is_empty());
}
