//! Who leaves while others act in its name: each of them is done before, or refused.

use futures::future::join_all;
use harness::calls::{balance_of, create_program, enroll, purchase, record};
use harness::house::House;
use proto::rapport::loyalty::v1 as pb;

use crate::members_are_known::{adjust, anna, close, enroll_as, erase, precondition, refused, update};
use crate::the_erased_are_forgotten::columns_with;
use crate::two_processes_race_on_one_wallet::after;

in_process! {
    leaving_races_with_earning;
    what_races_with_an_erasure_is_forgotten;
}

async fn leaving_races_with_earning(house: House) {
    let client = house.client();
    create_program(&client).await;
    let member = enroll(&client, "anna").await;
    let earning = join_all((0..30).map(|_| record(&client, purchase(&member, 10))));
    let leaving = async {
        tokio::task::yield_now().await;
        close(&client, &member).await
    };
    let (earned, closed) = tokio::join!(earning, leaving);
    let done = earned.iter().filter(|outcome| outcome.is_ok()).count();
    for outcome in earned {
        assert!(outcome.is_ok() || refused(outcome.unwrap_err()) == precondition("MEMBER_CLOSED"));
    }
    let points = i64::try_from(done).unwrap() * 10;
    assert_eq!(closed.points_forfeited, points, "all that was earned before, and nothing after");
    assert_eq!(balance_of(&client, &member).await.issued, points);
    house.end().await;
}

/// Its handler has seen the member when the erasure comes in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_waits_for_an_erasure_is_forgotten() {
    let house = House::postgres().await;
    let client = house.client();
    create_program(&client).await;
    let member = enroll_as(&client, "anna", Default::default()).await;
    let erased = format!("UPDATE member SET state = 4 WHERE member_id = '{}'", member.member_id);
    let profile = Some(anna());
    let changed = pb::Member { profile, etag: String::new(), ..member };
    let changed = after(&house, &erased, 1, async || update(&client, changed, &["profile"]).await).await;
    let changed = changed.map_err(refused);
    assert_eq!(changed, Err(precondition("MEMBER_CLOSED")));
    assert_eq!(columns_with(house.db(), "Marker").await, Vec::<String>::new());
    house.execute("UPDATE member SET state = 1").await;
    house.end().await;
}

async fn what_races_with_an_erasure_is_forgotten(house: House) {
    let client = house.client();
    create_program(&client).await;
    let name = "Marker";
    let members = ["anna", "ben", "carla", "dora"].map(|id| enroll(&client, id));
    let members = join_all(members).await;
    let race = async |member: &str| {
        let noting = join_all((0..10).map(|_| adjust(&client, member, 1, name)));
        let (noted, erased) = tokio::join!(noting, erase(&client, member));
        assert_eq!(erased.state(), pb::MemberState::Erased);
        noted.into_iter().filter(Result::is_ok).count()
    };
    let noted: usize = join_all(members.iter().map(|member| race(member))).await.into_iter().sum();
    assert!(noted > 0, "some came before");
    assert_eq!(house.count("SELECT COUNT(*) AS n FROM posting WHERE note LIKE 'Marker%'").await, 0);
    let known = "SELECT COUNT(*) AS n FROM command WHERE method = 'AdjustPoints' AND status = 0";
    assert_eq!(house.count(known).await, i64::try_from(noted).unwrap());
    assert_eq!(house.count(&format!("{known} AND LENGTH(request) > 0")).await, 0);
    house.end().await;
}
