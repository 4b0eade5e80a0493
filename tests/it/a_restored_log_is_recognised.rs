//! A log that was restored from an older copy is refused, loudly, until an operator decides; one that no
//! longer reaches back far enough too. Nothing is skipped silently.

use std::time::Duration;

use events::Place;
use events::log::{RETENTION, RETENTION_MAX};
use harness::log::{Ear, On, SOURCE, Teller, position};
use uuid::Uuid;

const ONE: Uuid = Uuid::from_u128(1);

/// Leaves the log as it was when it had `last` events of its only aggregate, and drops what it had since.
async fn restore_older_copy(teller: &Teller, last: i64) {
    for sql in [
        format!("DELETE FROM event_log WHERE position > {last}"),
        "DELETE FROM event".to_owned(),
        format!(
            "UPDATE event_bucket SET last_position = {last}, last_event_id = \
             (SELECT event_id FROM event_log l WHERE l.bucket = event_bucket.bucket \
             AND l.position = {last}), lease_until = 0 \
             WHERE last_position > {last}"
        ),
    ] {
        teller.execute(&sql).await;
    }
}

async fn story(on: On) {
    let (teller, ear) = (Teller::on(on).await, Ear::on(on, "ear").await);
    let mut relay = teller.relay(vec![ear.link()]).await;
    teller.tell(ONE, 9).await;
    relay.run_once().await.expect("events arrive");
    ear.heard_all(ONE, 9).await;
    restore_older_copy(&teller, 4).await;
    // Shorter than what was read.
    let mut relay = teller.relay(vec![ear.link()]).await;
    relay.run_once().await.expect("an answer");
    assert_eq!(relay.subscriptions()[0].diverged, 1);
    // Longer again, but with other events: the numbers fit, the ids do not.
    let other = same_bucket_as(ONE);
    teller.tell(other, 9).await;
    relay.run_once().await.expect("an answer");
    let mut relay = teller.relay(vec![ear.link()]).await;
    teller.end_leases().await;
    relay.run_once().await.expect("an answer");
    assert_eq!(relay.subscriptions()[0].diverged, 1);
    assert_eq!(ear.heard().await.get(&other), None, "nothing of it was applied");
    // The operator decides to read what there is.
    ear.subscriber.replay(SOURCE, Place::START).await.expect("an answer").expect("a log was offered");
    relay.couriers[0].ask_again();
    relay.run_once().await.expect("events arrive");
    ear.heard_all(other, 9).await;
    assert_eq!(relay.subscriptions()[0].diverged, 0);
}

fn same_bucket_as(aggregate: Uuid) -> Uuid {
    let bucket = db::bucket_of(&aggregate.to_string());
    let mut all = (2..).map(Uuid::from_u128);
    all.find(|id| db::bucket_of(&id.to_string()) == bucket).expect("one of them")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    story(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres() {
    story(On::Postgres).await;
}

/// A restore that says what it is: the log has a new id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_with_a_new_id_is_not_the_old_one() {
    let (teller, ear) = (Teller::on(On::Sqlite).await, Ear::on(On::Sqlite, "ear").await);
    let mut relay = teller.relay(vec![ear.link()]).await;
    teller.tell(ONE, 3).await;
    relay.run_once().await.expect("events arrive");
    teller
        .execute("UPDATE event_meta SET value = '11111111-1111-4111-8111-111111111111' WHERE name = 'log_id'")
        .await;
    let log = events::Log::open(&teller.db, &ambient::Ids::Random, SOURCE).await.expect("the log opens");
    let relay = events::Relay::open(log, events::Bell::default(), &ambient::Ids::Random, vec![ear.link()]);
    let mut relay = relay.await.expect("the relay opens");
    teller.tell(ONE, 2).await;
    relay.run_once().await.expect("an answer");
    assert_eq!(relay.subscriptions()[0].diverged, 64, "every bucket stands still");
    ear.heard_all(ONE, 3).await;
    // Past it: what was missed stays missed.
    ear.subscriber.replay(SOURCE, Place::END).await.expect("an answer").expect("a log was offered");
    relay.couriers[0].ask_again();
    relay.run_once().await.expect("events arrive");
    teller.tell(ONE, 1).await;
    relay.run_once().await.expect("events arrive");
    assert_eq!(ear.heard().await[&ONE], [1, 2, 3, 6]);
}

/// Old events go once everybody has them; for one that does not come they wait longer, and then it is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_waits_for_the_subscriber_and_then_says_so() {
    let (teller, ear) = (Teller::on(On::Postgres).await, Ear::on(On::Postgres, "ear").await);
    let mut relay = teller.relay(vec![ear.link()]).await;
    teller.tell(ONE, 5).await;
    position(&mut relay.positioner).await;
    let day = Duration::from_secs(86_400);
    let after = |age: Duration| events::machine_now_micros() + i64::try_from(age.as_micros()).expect("days");
    let bounds = (RETENTION, RETENTION_MAX);
    let retain = async |relay: &mut events::Relay, now: i64| {
        teller.log.retain(relay.positioner.leases(), now, bounds).await.expect("retention")
    };
    let kept = retain(&mut relay, after(RETENTION + day)).await;
    assert_eq!((kept.dropped, kept.lost), (0, 0), "the subscriber has not come yet");
    let gone = retain(&mut relay, after(RETENTION_MAX + day)).await;
    assert_eq!((gone.dropped, gone.lost), (5, 5), "it never came");
    teller.tell(ONE, 2).await;
    relay.run_once().await.expect("an answer");
    assert_eq!(relay.subscriptions()[0].truncated, 1);
    assert!(ear.heard().await.is_empty());
    ear.subscriber.replay(SOURCE, Place::START).await.expect("an answer").expect("a log was offered");
    relay.couriers[0].ask_again();
    relay.run_once().await.expect("events arrive");
    assert_eq!(ear.heard().await[&ONE], [6, 7]);
    // With everybody up to date, age alone decides.
    teller.log.acknowledge("ear", &relay.couriers[0].places()).await.expect("noted");
    let young = retain(&mut relay, after(day)).await;
    assert_eq!(young.dropped, 0);
    let old = retain(&mut relay, after(RETENTION + day)).await;
    assert_eq!((old.dropped, old.lost), (2, 0));
    teller.tell(ONE, 1).await;
    relay.run_once().await.expect("events arrive");
    assert_eq!(ear.heard().await[&ONE], [6, 7, 8]);
}

/// What an operator has read again must still be there: acknowledgements go back with the cursor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_waits_for_what_is_read_again() {
    let (teller, ear) = (Teller::on(On::Sqlite).await, Ear::on(On::Sqlite, "ear").await);
    let mut relay = teller.relay(vec![ear.link()]).await;
    teller.tell(ONE, 5).await;
    relay.run_once().await.expect("events arrive");
    teller.log.acknowledge("ear", &relay.couriers[0].places()).await.expect("noted");
    ear.subscriber.replay(SOURCE, Place::START).await.expect("an answer").expect("a log was offered");
    // The relay asks, learns where the cursor stands now, and writes that down; then it is cut short.
    let courier = &mut relay.couriers[0];
    courier.ask_again();
    let question = courier.next(true).await.expect("the log is read").expect("a question");
    let answer = courier.send(&question).await.expect("an answer");
    courier.acknowledge(answer).await.expect("noted");
    teller.log.acknowledge("ear", &courier.places()).await.expect("noted");
    let old = RETENTION + Duration::from_secs(86_400);
    let now = events::machine_now_micros() + i64::try_from(old.as_micros()).expect("days");
    let bounds = (RETENTION, RETENTION_MAX);
    let retained = teller.log.retain(relay.positioner.leases(), now, bounds).await.expect("retention");
    assert_eq!(retained.dropped, 0);
    relay.run_once().await.expect("events arrive");
    assert_eq!(ear.heard().await[&ONE], [1, 2, 3, 4, 5, 1, 2, 3, 4, 5], "all of it is read again");
}

/// A log that has no subscriber does not pile up what nobody may drop: positions are given all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_get_positions_though_nobody_listens() {
    let teller = Teller::on(On::Postgres).await;
    teller.tell(ONE, 5).await;
    let running = teller.relay(Vec::new()).await.start();
    let given = async {
        while teller.log.assigned().await.expect("the database answers") < 5 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), given).await.expect("positions");
    assert_eq!(teller.log.pending().await.expect("the database answers"), 0);
    running.stop().await;
}
