//! The program of the demonstration, two rewards, and members who take them.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::google::r#type::Money;
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::expiry_policy::Policy;
use proto::rapport::loyalty::v1::program_service_client::ProgramServiceClient;
use proto::rapport::loyalty::v1::redemption_service_client::RedemptionServiceClient;
use proto::rapport::loyalty::v1::reward::Stock;
use proto::rapport::loyalty::v1::reward_service_client::RewardServiceClient;
use rpc::client::Client;
use uuid::Uuid;

use super::PROGRAM;
use super::readings::Balance;
use crate::Failure;

/// Namespace of the request ids of the demonstration.
const REQUESTS: Uuid = Uuid::from_u128(0x5b1c_9d0e_2f43_5a6b_8c7d_1e9f_a0b2_c3d4);
/// Redemptions under way at once.
const PARALLEL: usize = 16;

/// What can be had: id, name, price, units (none: without limit), how many members take one.
const REWARDS: [(&str, &str, i64, Option<i64>, usize); 2] =
    [("coffee", "A cup of coffee", 250, None, 40), ("hamper", "A hamper", 1_500, Some(12), 10)];

fn request_id(name: &str) -> String {
    Uuid::new_v5(&REQUESTS, name.as_bytes()).to_string()
}

/// One point a dollar, for 90 days; tiers by the dollars of a calendar year.
pub(super) async fn create_program(client: Client) -> Result<(), Failure> {
    let dollars = |units| Some(Money { currency_code: "USD".to_owned(), units, nanos: 0 });
    let tiers = [0, 1_000, 2_500, 5_000].into_iter().zip(1..).map(|(threshold, rank)| pb::Tier {
        tier_id: format!("tier-{rank}"),
        threshold: dollars(threshold),
        ..pb::Tier::default()
    });
    let program = pb::Program {
        program_id: PROGRAM.to_owned(),
        display_name: "The Complete Journey".to_owned(),
        time_zone: "UTC".to_owned(),
        money_currency_code: "USD".to_owned(),
        earning_rule: Some(pb::EarningRule { points: 1, per: dollars(1), version: 0 }),
        expiry_policy: Some(pb::ExpiryPolicy {
            policy: Some(Policy::RollingDays(90)),
            ..pb::ExpiryPolicy::default()
        }),
        tiers: tiers.collect(),
        ..pb::Program::default()
    };
    let request = pb::CreateProgramRequest { request_id: request_id("program"), program: Some(program) };
    ProgramServiceClient::new(client).create_program(request).await?;
    Ok(())
}

/// Offers the rewards and lets the first members who can afford them take one each; says how many did.
pub(super) async fn redeem(client: Client, balances: &[Balance]) -> Result<i64, Failure> {
    let mut redeemed = 0;
    for (reward_id, display_name, price, units, takers) in REWARDS {
        let reward = pb::Reward {
            program_id: PROGRAM.to_owned(),
            reward_id: reward_id.to_owned(),
            display_name: display_name.to_owned(),
            price_points: price,
            stock: Some(units.map_or(Stock::Unlimited(true), Stock::Remaining)),
            ..pb::Reward::default()
        };
        let request = pb::CreateRewardRequest { request_id: request_id(reward_id), reward: Some(reward) };
        RewardServiceClient::new(client.clone()).create_reward(request).await?;
        // Twice the price: some points expire between the reading and now, and one may want both rewards.
        let can_afford = balances.iter().filter(|balance| balance.available / 2 >= price);
        let requests: Vec<_> = can_afford
            .take(takers)
            .map(|balance| pb::RedeemRewardRequest {
                request_id: request_id(&format!("{reward_id}/{}", balance.member_id)),
                member_id: balance.member_id.to_string(),
                reward_id: reward_id.to_owned(),
                quantity: 1,
                ..pb::RedeemRewardRequest::default()
            })
            .collect();
        let asked = stream::iter(requests).map(|request| {
            let mut client = RedemptionServiceClient::new(client.clone());
            async move { Ok::<_, Failure>(client.redeem_reward(request).await?) }
        });
        let answers: Vec<_> = asked.buffer_unordered(PARALLEL).try_collect().await?;
        redeemed += i64::try_from(answers.len()).unwrap_or(0);
    }
    Ok(redeemed)
}
