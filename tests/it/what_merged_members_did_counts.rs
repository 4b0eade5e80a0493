//! What two members did counts together for tiers and caps once they are one.

use harness::calls::{
    PROGRAM, balance_of, create_program, create_program_like, enroll, program, purchase, reason, record,
    timestamp,
};
use harness::house::House;
use harness::moves::{buys, day, merge, merger, reverse, tier, unmerge};
use pb::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1 as pb;

in_process! {
    tiers_count_what_both_did;
    what_changes_no_tier_goes_along_too;
    caps_count_what_both_did;
}

async fn tiers_count_what_both_did(house: House) {
    let client = house.client();
    create_program(&client).await;
    let (anna, card) = (enroll(&client, "anna").await, enroll(&client, "card").await);
    let of_card = buys(&client, &card, 700).await;
    house.clock().advance_to(day(3));
    buys(&client, &anna, 600).await;
    assert_eq!((tier(&client, &anna).await, tier(&client, &card).await), ("base".into(), "base".into()));
    house.clock().advance_to(day(20));
    merge(&client, merger(&card, &anna)).await.unwrap();
    assert_eq!((tier(&client, &anna).await, tier(&client, &card).await), ("silver".into(), "silver".into()));
    let request = pb::GetTierHistoryRequest { member_id: card.clone(), known_time: None };
    let history = PointsServiceClient::new(client.clone()).get_tier_history(request).await.unwrap();
    let history: Vec<_> = history.into_inner().tiers.into_iter().map(|t| (t.tier_id, t.start_time)).collect();
    // Silver from the day on which both together had spent enough.
    assert_eq!(history, [("base".into(), None), ("silver".into(), Some(timestamp(day(3))))]);
    reverse(&client, &card, &of_card).await.unwrap();
    assert_eq!(tier(&client, &anna).await, "base");
    buys(&client, &card, 1_100).await;
    assert_eq!(tier(&client, &anna).await, "silver");
    unmerge(&client, &card).await.unwrap();
    assert_eq!((tier(&client, &anna).await, tier(&client, &card).await), ("base".into(), "silver".into()));
    house.end().await;
}

async fn what_changes_no_tier_goes_along_too(house: House) {
    let client = house.client();
    let policy =
        pb::TierPolicy { window: Some(pb::tier_policy::Window::CalendarYear(true)), ..Default::default() };
    create_program_like(&client, pb::Program { tier_policy: Some(policy), ..program(PROGRAM) }).await;
    let (anna, card) = (enroll(&client, "anna").await, enroll(&client, "card").await);
    let long_ago = buys(&client, &card, 10).await;
    house.clock().advance_to(day(800));
    buys(&client, &anna, 20).await;
    assert_eq!(merge(&client, merger(&card, &anna)).await.unwrap().points_moved, 0);
    assert!(house.audit().await.sound);
    assert_eq!(reverse(&client, &card, &long_ago).await.unwrap().points_owed, 0);
    unmerge(&client, &card).await.unwrap();
    assert_eq!((tier(&client, &anna).await, balance_of(&client, &anna).await.available), ("base".into(), 20));
    house.end().await;
}

async fn caps_count_what_both_did(house: House) {
    let client = house.client();
    let cap = pb::VelocityLimit {
        limit_id: "earn-per-day".into(),
        movement: pb::Movement::Earn.into(),
        owner: pb::CapOwner::Member.into(),
        window: pb::VelocityWindow::Day.into(),
        count_max: Some(3),
        breach: pb::VelocityBreach::Refuse.into(),
        ..Default::default()
    };
    create_program_like(&client, pb::Program { velocity_limits: vec![cap], ..program(PROGRAM) }).await;
    let (anna, card) = (enroll(&client, "anna").await, enroll(&client, "card").await);
    buys(&client, &anna, 1).await;
    buys(&client, &card, 1).await;
    merge(&client, merger(&card, &anna)).await.unwrap();
    buys(&client, &card, 1).await;
    assert_eq!(reason(&record(&client, purchase(&anna, 1)).await.unwrap_err()), "VELOCITY_EXCEEDED");
    unmerge(&client, &card).await.unwrap();
    // Each has its own: two with the card, one without it. Coming and going makes no room.
    for name in [&card, &anna, &anna] {
        buys(&client, name, 1).await;
    }
    for name in [&card, &anna] {
        assert_eq!(reason(&record(&client, purchase(name, 1)).await.unwrap_err()), "VELOCITY_EXCEEDED");
    }
    house.end().await;
}
