//! GetReward: one reward with its stock.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::reward_not_found;
use super::wire::timestamp;
use crate::domain::{Reward, Stock};
use crate::store::{Tenant, rewards};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetRewardRequest>,
) -> Result<pb::GetRewardResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let db = api.db.reader();
    let key = reward_key(&caller.tenant, &message.program_id, &message.reward_id);
    let reward = api.catalogue.reward(db, &key).await.map_err(|e| told(&e))?;
    let reward = reward.ok_or_else(|| reward_not_found(&message.reward_id))?;
    let stock = rewards::stock(db, std::slice::from_ref(&key), false).await.map_err(|e| told(&e))?;
    let stock = stock.get(&key).map_or(Stock::Unlimited, |left| Stock::Remaining(*left));
    Ok(pb::GetRewardResponse { reward: Some(reward_message(&reward, stock)) })
}

pub(super) fn reward_key(tenant: &Tenant, program_id: &str, reward_id: &str) -> rewards::Key {
    let (program_id, reward_id) = (program_id.to_owned(), reward_id.to_owned());
    rewards::Key { tenant: tenant.clone(), program_id, reward_id }
}

pub(super) fn reward_message(reward: &Reward, stock: Stock) -> pb::Reward {
    pb::Reward {
        program_id: reward.program_id.clone(),
        reward_id: reward.id.clone(),
        display_name: reward.display_name.clone(),
        price_points: reward.price_points,
        stock: Some(match stock {
            Stock::Unlimited => pb::reward::Stock::Unlimited(true),
            Stock::Remaining(units) => pb::reward::Stock::Remaining(units),
        }),
        version: reward.version,
        create_time: Some(timestamp(reward.create_time)),
        currency_code: reward.currency.clone(),
    }
}
