//! Whatever crashes between commit, position, deliver, apply and acknowledge: every event is applied once, in
//! the order of its aggregate.

use harness::log::{Ear, KIND, OTHER_KIND, On, Teller, position};
use uuid::Uuid;

/// Tells each story on both databases.
macro_rules! on_both {
    ($($story:ident;)+) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(harness::log::On::Sqlite).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(harness::log::On::Postgres).await;
            })+
        }
    };
}

on_both! {
    a_crash_at_any_step_loses_and_doubles_nothing;
    a_subscriber_restored_from_an_older_copy_is_brought_up_to_date;
    other_kinds_pass_and_move_the_cursor;
    a_delivery_that_comes_twice_is_applied_once;
    two_events_of_one_command_keep_their_order_though_the_clock_goes_back;
}

/// Another bucket for each.
fn aggregate(number: u128) -> Uuid {
    Uuid::from_u128(0x0b5e_55ed_0000_4000_8000_0000_0000_0000 + number)
}

async fn a_crash_at_any_step_loses_and_doubles_nothing(on: On) {
    let (teller, ear) = (Teller::on(on).await, Ear::on(on, "ear").await);
    // After commit: nobody has looked yet.
    teller.tell(aggregate(1), 3).await;
    // After the position: this relay is gone before it delivers.
    let mut first = teller.relay(vec![ear.link()]).await;
    assert_eq!(position(&mut first.positioner).await, 3);
    drop(first);
    teller.end_leases().await;
    // After it was delivered and applied: the answer is lost with the relay.
    let mut second = teller.relay(vec![ear.link()]).await;
    teller.tell(aggregate(1), 2).await;
    position(&mut second.positioner).await;
    let courier = &mut second.couriers[0];
    // The first calls ask for the cursors and the kinds.
    while ear.heard().await.is_empty() {
        let parcel = courier.next(true).await.expect("the log is read").expect("something to send");
        let answer = courier.send(&parcel).await.expect("an answer");
        if ear.heard().await.is_empty() {
            courier.acknowledge(answer).await.expect("noted");
        }
    }
    drop(second);
    teller.end_leases().await;
    // After the acknowledgement: a new relay asks where the cursors stand, and goes on.
    teller.tell(aggregate(1), 2).await;
    let mut third = teller.relay(vec![ear.link()]).await;
    third.run_once().await.expect("events arrive");
    ear.heard_all(aggregate(1), 7).await;
    let (events, calls) = third.run_once().await.expect("nothing is left");
    assert_eq!((events, calls), (0, 0));
}

async fn a_subscriber_restored_from_an_older_copy_is_brought_up_to_date(on: On) {
    let (teller, ear) = (Teller::on(on).await, Ear::on(on, "ear").await);
    let mut relay = teller.relay(vec![ear.link()]).await;
    teller.tell(aggregate(1), 4).await;
    relay.run_once().await.expect("events arrive");
    // The copy: what was there now.
    ear.execute("CREATE TABLE cursor_copy AS SELECT * FROM event_cursor").await;
    teller.tell(aggregate(1), 5).await;
    relay.run_once().await.expect("events arrive");
    ear.heard_all(aggregate(1), 9).await;
    ear.execute("DELETE FROM event_cursor").await;
    ear.execute("INSERT INTO event_cursor SELECT * FROM cursor_copy").await;
    ear.execute("DELETE FROM heard WHERE aggregate_seq > 4").await;
    // The same relay, whose own memory is ahead of the subscriber now.
    teller.tell(aggregate(1), 1).await;
    relay.run_once().await.expect("events arrive");
    ear.heard_all(aggregate(1), 10).await;
}

async fn other_kinds_pass_and_move_the_cursor(on: On) {
    let (teller, ear) = (Teller::on(on).await, Ear::on(on, "ear").await);
    let mut relay = teller.relay(vec![ear.link()]).await;
    let [one, two] = [aggregate(1), aggregate(2)];
    teller.append(teller.next(one, 700, OTHER_KIND)).await;
    teller.append(teller.next(one, 1, KIND)).await;
    teller.append(teller.next(one, 700, OTHER_KIND)).await;
    teller.append(teller.next(two, 3, OTHER_KIND)).await;
    relay.run_once().await.expect("events arrive");
    assert_eq!(ear.heard().await.get(&one), Some(&vec![701]));
    let running = relay.start();
    running.settled().await.expect("the database answers");
    let subscription = running.subscriptions().remove(0);
    assert_eq!((subscription.lag, subscription.failing), (0, 0), "{subscription:?}");
    running.stop().await;
}

async fn a_delivery_that_comes_twice_is_applied_once(on: On) {
    let (teller, ear) = (Teller::on(on).await, Ear::on(on, "ear").await);
    let mut relay = teller.relay(vec![ear.link()]).await;
    relay.run_once().await.expect("cursors are known");
    for number in 0..20 {
        teller.tell(aggregate(number), 5).await;
    }
    position(&mut relay.positioner).await;
    let courier = &mut relay.couriers[0];
    let parcel = courier.next(true).await.expect("the log is read").expect("something to send");
    // Twice at once and once more: late, as after a lost connection.
    let (first, second) = tokio::join!(courier.send(&parcel), courier.send(&parcel));
    let (first, second) = (first.expect("an answer"), second.expect("an answer"));
    let third = courier.send(&parcel).await.expect("an answer");
    for answer in [first, second, third] {
        courier.acknowledge(answer).await.expect("noted");
    }
    relay.run_once().await.expect("events arrive");
    for number in 0..20 {
        ear.heard_all(aggregate(number), 5).await;
    }
}

async fn two_events_of_one_command_keep_their_order_though_the_clock_goes_back(on: On) {
    let (teller, ear) = (Teller::on(on).await, Ear::on(on, "ear").await);
    let mut relay = teller.relay(vec![ear.link()]).await;
    // A replica whose clock is ten minutes ahead writes two events, then one whose clock is right.
    let mut events = teller.next(aggregate(1), 4, KIND);
    let ahead = events::machine_now_micros() + 600_000_000;
    let mut last = ahead;
    for event in &mut events {
        event.order_key = last;
        last = events::next_order_key(events::machine_now_micros(), last);
    }
    let later = events.split_off(2);
    teller.append(later).await;
    // These were committed after, and are seen in the same look.
    teller.append(events).await;
    relay.run_once().await.expect("events arrive");
    ear.heard_all(aggregate(1), 4).await;
}
