//! CreateReward: a new reward with its stock.

use ambient::Time;
use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Once, Written};
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::get_reward::{reward_key, reward_message};
use super::program_wire::named;
use super::refusal::{DOMAIN, exists, problem, program_not_found};
use super::wire::uuid;
use crate::domain::{Reward, Stock};
use crate::store::{Owner, programs, rewards};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::CreateRewardRequest>,
) -> Result<pb::CreateRewardResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    found.into_result(DOMAIN)?;
    let given = message.reward.clone().unwrap_or_default();
    let program = api.catalogue.program(api.db.reader(), &caller.tenant, &given.program_id).await;
    program.map_err(|e| told(&e))?.ok_or_else(|| program_not_found(&given.program_id))?;
    let now = api.clock.now();
    let (reward, stock) = decode(&given, now);
    let call = caller.call(DOMAIN, "CreateReward", request_id, &message);
    let command = Once { scope: Owner::named(&caller.tenant, &reward.program_id), call, now };
    let tenant = caller.tenant.clone();
    let submitted = api.submit_once(&caller, command, move |tx| {
        let (tenant, reward) = (tenant.clone(), reward.clone());
        async move {
            let key = reward_key(&tenant, &reward.program_id, &reward.id);
            if rewards::find(tx, &key).await?.is_some() {
                let problem = exists("REWARD_EXISTS", &format!("reward {}", reward.id));
                return Ok(Written::refused(&problem.with("reward_id", &reward.id)));
            }
            let program = programs::find(tx, &tenant, &reward.program_id).await?;
            if let Some(Err(refusal)) = program.map(|program| program.spendable(&reward.currency)) {
                return Ok(Written::refused(&problem(&refusal)));
            }
            rewards::insert(tx, &tenant, &reward, stock).await?;
            let reward = Some(reward_message(&reward, stock));
            let response = pb::CreateRewardResponse { reward, replayed: false };
            Ok(Written::done(&response))
        }
        .boxed()
    });
    let (response, replayed): (pb::CreateRewardResponse, bool) = submitted.await?;
    Ok(pb::CreateRewardResponse { replayed, ..response })
}

pub(super) fn decode(given: &pb::Reward, now: Time) -> (Reward, Stock) {
    let stock = match given.stock {
        Some(pb::reward::Stock::Remaining(units)) => Stock::Remaining(units),
        Some(pb::reward::Stock::Unlimited(_)) | None => Stock::Unlimited,
    };
    let reward = Reward {
        display_name: named(&given.display_name, &given.reward_id),
        program_id: given.program_id.clone(),
        id: given.reward_id.clone(),
        price_points: given.price_points,
        currency: given.currency_code.clone(),
        version: 1,
        create_time: now,
        counted: matches!(stock, Stock::Remaining(_)),
    };
    (reward, stock)
}
