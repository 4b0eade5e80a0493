//! An event that cannot be applied is parked with the later ones of its aggregate; everyone else goes on, and
//! an operator decides.

use harness::log::{Ear, On, SOURCE, Teller};
use uuid::Uuid;

const TENANT: &str = "default";

/// Brings everything until nothing moves: what fails is tried as often as it takes to park it.
async fn bring(relay: &mut events::Relay) {
    for _ in 0..200 {
        let moved = relay.run_once().await.expect("an answer");
        relay.couriers[0].retry_failing();
        if moved == (0, 0) {
            return;
        }
    }
    panic!("the relay does not come to rest");
}

/// Aggregates of one bucket.
fn same_bucket(count: usize) -> Vec<Uuid> {
    let all = (1..).map(Uuid::from_u128);
    all.filter(|id| db::bucket_of(&id.to_string()) == 7).take(count).collect()
}

async fn story(on: On, poison: impl Fn(&Ear, Uuid), cure: impl Fn(&Ear)) {
    let (teller, ear) = (Teller::on(on).await, Ear::on(on, "ear").await);
    let mut relay = teller.relay(vec![ear.link()]).await;
    let neighbours = same_bucket(4);
    let poisoned = neighbours[1];
    let elsewhere = Uuid::from_u128(0xdead);
    poison(&ear, poisoned);
    for _ in 0..3 {
        for aggregate in &neighbours {
            teller.tell(*aggregate, 2).await;
        }
        teller.tell(elsewhere, 2).await;
    }
    bring(&mut relay).await;
    for aggregate in [neighbours[0], neighbours[2], neighbours[3], elsewhere] {
        ear.heard_all(aggregate, 6).await;
    }
    assert_eq!(ear.heard().await.get(&poisoned), None);
    let letters = ear.subscriber.letters(TENANT, None, 100).await.expect("letters");
    let seqs: Vec<i64> = letters.iter().map(|letter| letter.aggregate_seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6], "the first and all that wait behind it, in order");
    assert!(!letters[0].reason.is_empty() && letters[0].tries == 3);
    assert!(letters[1..].iter().all(|letter| letter.reason.is_empty()));
    let none = ear.subscriber.letters("somebody else", None, 100).await.expect("an answer");
    assert!(none.is_empty(), "another tenant sees nothing");

    // Still poisoned: a retry says why and changes nothing.
    let retried = ear.subscriber.retry(TENANT, SOURCE, poisoned).await.expect("an answer").expect("a queue");
    assert_eq!((retried.applied, retried.remaining), (0, 6));
    assert!(!retried.reason.is_empty());
    // Only the head may go.
    let second = ear.subscriber.discard(TENANT, letters[1].event_id).await.expect("an answer");
    assert_eq!(second, None);
    let stranger = ear.subscriber.discard("somebody else", letters[0].event_id).await.expect("an answer");
    assert_eq!(stranger, None);
    let head = ear.subscriber.discard(TENANT, letters[0].event_id).await.expect("an answer");
    assert_eq!(head, Some(5));
    // What comes meanwhile joins the queue.
    teller.tell(poisoned, 1).await;
    bring(&mut relay).await;
    cure(&ear);
    let retried = ear.subscriber.retry(TENANT, SOURCE, poisoned).await.expect("an answer").expect("a queue");
    assert_eq!((retried.applied, retried.remaining), (6, 0));
    assert_eq!(ear.heard().await.get(&poisoned), Some(&vec![2, 3, 4, 5, 6, 7]), "in order, without the head");
    teller.tell(poisoned, 1).await;
    bring(&mut relay).await;
    assert_eq!(ear.heard().await[&poisoned].last(), Some(&8), "and later ones come straight again");
    assert!(ear.subscriber.retry(TENANT, SOURCE, poisoned).await.expect("an answer").is_none());
}

fn refuse(ear: &Ear, aggregate: Uuid) {
    ear.refuses.lock().expect("no panic").insert(aggregate);
}

fn panic_at(ear: &Ear, aggregate: Uuid) {
    ear.panics_at.lock().expect("no panic").insert(aggregate);
}

fn cure(ear: &Ear) {
    ear.refuses.lock().expect("no panic").clear();
    if let Ok(mut panics_at) = ear.panics_at.lock() {
        panics_at.clear();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_on_sqlite() {
    story(On::Sqlite, refuse, cure).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_on_postgres() {
    story(On::Postgres, refuse, cure).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panicked_on_sqlite() {
    story(On::Sqlite, panic_at, cure).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panicked_on_postgres() {
    story(On::Postgres, panic_at, cure).await;
}

/// What the database refuses is no fault of the event: it waits, however long, and nobody else does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_refuses_never_parks() {
    let (teller, ear) = (Teller::on(On::Sqlite).await, Ear::on(On::Sqlite, "ear").await);
    let mut relay = teller.relay(vec![ear.link()]).await;
    let (stuck, free) = (Uuid::from_u128(1), Uuid::from_u128(0xdead));
    ear.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON heard WHEN NEW.aggregate_seq > 3 \
         BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    .await;
    teller.tell(stuck, 4).await;
    teller.tell(free, 3).await;
    for _ in 0..10 {
        relay.run_once().await.expect("an answer");
        relay.couriers[0].retry_failing();
    }
    ear.heard_all(free, 3).await;
    assert!(ear.subscriber.letters(TENANT, None, 10).await.expect("letters").is_empty());
    ear.execute("DROP TRIGGER refuse").await;
    bring(&mut relay).await;
    ear.heard_all(stuck, 4).await;
}
