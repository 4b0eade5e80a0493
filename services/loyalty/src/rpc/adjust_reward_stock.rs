//! AdjustRewardStock: units added to or taken from a reward's stock.

use db::Pick;
use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use requests::{Caller, Once, Written};
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::{DOMAIN, problem, reward_not_found, stock_of_codes, stock_unlimited};
use super::reward_wire::reward_message;
use super::wire::only_id;
use crate::domain::{Refusal, Stock, Supply};
use crate::store::rewards::Counted;
use crate::store::{Owner, rewards};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::AdjustRewardStockRequest>,
) -> Result<pb::AdjustRewardStockResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let request_id = only_id(&message.request_id, "request_id")?;
    let key = rewards::Key::new(&caller.tenant, &message.program_id, &message.reward_id);
    let reward = rewards::find(api.db.reader(), &key).await.map_err(|e| told(&e))?;
    reward.ok_or_else(|| reward_not_found(&message.reward_id))?;
    let call = caller.call(DOMAIN, "AdjustRewardStock", request_id, &message);
    let scope = Owner::named(&caller.tenant, &message.program_id);
    let command = Once { scope, call, now: api.clock.now() };
    let units = message.units;
    let submitted = api.submit_once(&caller, command, move |tx| {
        let key = key.clone();
        async move { adjust(tx, &key, units).await }.boxed()
    });
    let (response, replayed): (pb::AdjustRewardStockResponse, bool) = submitted.await?;
    Ok(pb::AdjustRewardStockResponse { replayed, ..response })
}

async fn adjust(tx: &db::Tx, key: &rewards::Key, units: i64) -> Result<Written, db::Error> {
    let stock = rewards::stock(tx, std::slice::from_ref(key), Pick::Locked).await?;
    let reward = rewards::find(tx, key).await?;
    let (Some(Counted { added, remaining, .. }), Some(reward)) = (stock.get(key).copied(), reward) else {
        return Ok(Written::refused(&stock_unlimited(&key.reward_id)));
    };
    if reward.supply == Supply::Codes {
        return Ok(Written::refused(&stock_of_codes(&reward.id)));
    }
    // What is held may come back: there are never more than were added.
    let is_too_many = units > 0 && added.checked_add(units).is_none_or(|added| added > Stock::UNITS_MAX);
    let Some(left) = remaining.checked_add(units).filter(|_| !is_too_many) else {
        return Ok(Written::refused(&problem(&Refusal::AmountOverflow)));
    };
    if left < 0 {
        return Ok(Written::refused(&problem(&Refusal::OutOfStock {
            reward_id: reward.id.clone(),
            remaining,
        })));
    }
    rewards::add_stock(tx, key, units).await?;
    let reward = Some(reward_message(&reward, Stock::Remaining(left)));
    let response = pb::AdjustRewardStockResponse { reward, replayed: false };
    Ok(Written::done(&response))
}
