//! The last units of a reward's stock go to exactly as many of a thousand racers.

use futures::future::join_all;
use harness::calls::{create_program, create_reward, enroll, purchase, reason, record, redeem, redemption};
use harness::house::House;
use harness::offers::change;
use proto::rapport::loyalty::v1 as pb;

everywhere! {
    the_last_unit;
    stock_that_is_added_is_sold_too;
}

async fn the_last_unit(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "bicycle", 10, Some(1)).await;
    let names: Vec<String> = (0..50).map(|i| format!("racer-{i}")).collect();
    let members = join_all(names.iter().map(|name| enroll(&client, name))).await;
    join_all(members.iter().map(|member| record(&client, purchase(member, 200)))).await;
    let racers = (0..1_000).map(|i| redeem(&client, redemption(&members[i % members.len()], "bicycle")));
    let answers = join_all(racers).await;
    assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 1);
    for refused in answers.into_iter().filter_map(Result::err) {
        assert_eq!(reason(&refused), "OUT_OF_STOCK");
    }
    assert_eq!(stock(&house).await, pb::reward::Stock::Remaining(0));
    house.end().await;
}

async fn stock_that_is_added_is_sold_too(house: House) {
    let client = house.client();
    create_program(&client).await;
    create_reward(&client, "bicycle", 10, Some(1)).await;
    let member = enroll(&client, "anna").await;
    record(&client, purchase(&member, 200)).await.unwrap();
    let mut rewards = pb::reward_service_client::RewardServiceClient::new(client.clone());
    let adjust = |units| pb::AdjustRewardStockRequest {
        request_id: harness::calls::request_id(),
        program_id: harness::calls::PROGRAM.into(),
        reward_id: "bicycle".into(),
        units,
    };
    rewards.adjust_reward_stock(adjust(2)).await.unwrap();
    let refused = rewards.adjust_reward_stock(adjust(-4)).await.unwrap_err();
    assert_eq!(reason(&refused), "OUT_OF_STOCK");
    let three = pb::RedeemRewardRequest { quantity: 3, ..redemption(&member, "bicycle") };
    assert_eq!(redeem(&client, three).await.unwrap().redemption.unwrap().points, 30);
    assert_eq!(reason(&redeem(&client, redemption(&member, "bicycle")).await.unwrap_err()), "OUT_OF_STOCK");
    // No more than a reward may be created with, those that went counted too: they may come back.
    for units in [1_000_000_000_000, 999_999_999_998] {
        assert_eq!(reason(&rewards.adjust_reward_stock(adjust(units)).await.unwrap_err()), "AMOUNT_OVERFLOW");
    }
    let most = rewards.adjust_reward_stock(adjust(999_999_999_997)).await.unwrap().into_inner();
    let most = most.reward.unwrap();
    assert_eq!(most.stock, Some(pb::reward::Stock::Remaining(999_999_999_997)));
    change(&client, pb::Reward { display_name: "Bike".into(), ..most }, &["display_name"]).await.unwrap();
    house.end().await;
}

async fn stock(house: &House) -> pb::reward::Stock {
    let mut rewards = pb::reward_service_client::RewardServiceClient::new(house.client());
    let (program_id, reward_id) = (harness::calls::PROGRAM.into(), "bicycle".into());
    let request = pb::GetRewardRequest { program_id, reward_id, version: 0 };
    rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap().stock.unwrap()
}
