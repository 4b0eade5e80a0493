//! A subscriber that was away while 100,000 events gathered catches up, and nobody waited for it meanwhile.

use events::Link;
use harness::log::{Ear, KIND, OTHER_KIND, On, Teller};
use uuid::Uuid;

const EVENTS: usize = 100_000;
const AGGREGATES: u128 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn away_for_100_000_events() {
    let (teller, near) = (Teller::on(On::Postgres).await, Ear::on(On::Postgres, "near").await);
    let far = Ear::on(On::Postgres, "far").await;
    let (_, link) = far.link();
    let nobody = "http://127.0.0.1:9".to_owned();
    let settings = rpc::client::Settings::new(&[proto::FILE_DESCRIPTOR_SET]);
    let away = Link::Remote {
        client: rpc::client::Client::lazy(&nobody, settings).expect("an address"),
        authorization: None,
    };
    let relay = teller.relay(vec![near.link(), ("far", away)]).await.start();
    // One in ten is of a kind that they take: the others are passed over.
    let each = EVENTS / usize::try_from(AGGREGATES).expect("few");
    for number in 1..=AGGREGATES {
        let aggregate = Uuid::from_u128(number);
        for _ in 0..each / 10 {
            let mut events = teller.next(aggregate, 1, KIND);
            events.extend(teller.next(aggregate, 9, OTHER_KIND));
            teller.append(events).await;
        }
    }
    relay.caught_up("near").await.expect("the database answers");
    let heard = near.heard().await;
    assert_eq!(heard.len(), 200);
    let expected: Vec<i64> = (0..each / 10).map(|i| i64::try_from(i).expect("few") * 10 + 1).collect();
    assert!(heard.values().all(|seqs| *seqs == expected));
    let behind = relay.subscriptions().into_iter().find(|s| s.subscriber == "far").expect("it is registered");
    assert!(!behind.reachable && behind.unknown > 0, "{behind:?}");
    relay.stop().await;
    // It is back.
    let relay = teller.relay(vec![near.link(), ("far", link)]).await.start();
    relay.settled().await.expect("the database answers");
    assert_eq!(far.heard().await, heard);
    relay.stop().await;
}
