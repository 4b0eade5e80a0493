//! Calls about what rewards cost, who may have them, and their codes.

use pb::redemption_service_client::RedemptionServiceClient;
use pb::reward_service_client::RewardServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::Status;

use crate::calls::{PROGRAM, request_id};

/// A reward without limit.
pub fn reward(reward_id: &str, price_points: i64) -> pb::Reward {
    pb::Reward {
        program_id: PROGRAM.into(),
        reward_id: reward_id.into(),
        price_points,
        stock: Some(pb::reward::Stock::Unlimited(true)),
        ..Default::default()
    }
}

/// A reward of which each unit is a code.
pub fn voucher(reward_id: &str, price_points: i64) -> pb::Reward {
    let stock = Some(pb::reward::Stock::CodePool(pb::CodePool::default()));
    pb::Reward { stock, ..reward(reward_id, price_points) }
}

/// Creates a reward, and returns it as the service did.
pub async fn offer(client: &Client, reward: pb::Reward) -> Result<pb::Reward, Status> {
    let request = pb::CreateRewardRequest { request_id: request_id(), reward: Some(reward) };
    let created = RewardServiceClient::new(client.clone()).create_reward(request).await?;
    Ok(created.into_inner().reward.expect("a reward"))
}

/// Changes fields of a reward, and returns it as it is then.
pub async fn change(client: &Client, reward: pb::Reward, fields: &[&str]) -> Result<pb::Reward, Status> {
    let paths = fields.iter().map(|field| (*field).to_owned()).collect();
    let request = pb::UpdateRewardRequest {
        request_id: request_id(),
        reward: Some(reward),
        update_mask: Some(prost_types::FieldMask { paths }),
    };
    let changed = RewardServiceClient::new(client.clone()).update_reward(request).await?;
    Ok(changed.into_inner().reward.expect("a reward"))
}

/// A version of a reward; 0: the present one.
pub async fn version(client: &Client, reward_id: &str, version: i64) -> Result<pb::Reward, Status> {
    let request = pb::GetRewardRequest { program_id: PROGRAM.into(), reward_id: reward_id.into(), version };
    let found = RewardServiceClient::new(client.clone()).get_reward(request).await?;
    Ok(found.into_inner().reward.expect("a reward"))
}

/// Codes that are neither handed out nor held.
pub async fn codes_left(client: &Client, reward_id: &str) -> i64 {
    match version(client, reward_id, 0).await.expect("the reward").stock {
        Some(pb::reward::Stock::CodePool(pool)) => pool.remaining,
        other => panic!("{other:?}"),
    }
}

/// What a member can have, and what not.
pub async fn offers(client: &Client, member_id: &str) -> Vec<pb::EligibleReward> {
    let request = pb::ListEligibleRewardsRequest { member_id: member_id.into(), ..Default::default() };
    let found = RewardServiceClient::new(client.clone()).list_eligible_rewards(request).await;
    found.expect("a list").into_inner().rewards
}

/// Adds codes to the pool of a reward, so many in each message.
pub async fn upload(
    client: &Client,
    reward_id: &str,
    codes: &[String],
    in_each: usize,
) -> Result<pb::UploadRewardCodesResponse, Status> {
    let named = pb::UploadRewardCodesRequest {
        program_id: PROGRAM.into(),
        reward_id: reward_id.into(),
        codes: Vec::new(),
    };
    let parts = codes
        .chunks(in_each)
        .map(|codes| pb::UploadRewardCodesRequest { codes: codes.to_vec(), ..Default::default() });
    let messages: Vec<_> = [named].into_iter().chain(parts).collect();
    let mut rewards = RewardServiceClient::new(client.clone());
    Ok(rewards.upload_reward_codes(futures::stream::iter(messages)).await?.into_inner())
}

/// The redemption as a receipt shows it.
pub async fn redemption_of(client: &Client, of: &pb::Redemption) -> pb::Redemption {
    let request =
        pb::GetRedemptionRequest { member_id: of.member_id.clone(), redemption_id: of.redemption_id.clone() };
    let found = RedemptionServiceClient::new(client.clone()).get_redemption(request).await;
    found.expect("a receipt").into_inner().redemption.expect("a redemption")
}
