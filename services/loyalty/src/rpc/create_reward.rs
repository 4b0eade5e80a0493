//! CreateReward: a new reward with its stock.

use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Once, Written};
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::{DOMAIN, exists, program_not_found};
use super::reward_wire::{decode, fits, reward_message};
use super::wire::uuid;
use crate::domain::{Reward, Stock};
use crate::store::{Owner, Tenant, programs, rewards};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::CreateRewardRequest>,
) -> Result<pb::CreateRewardResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let (mut found, now) = (Violations::default(), api.clock.now());
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let given = message.reward.clone().unwrap_or_default();
    let (reward, stock) = decode(&given, now, &Path::ROOT.field("reward"), &mut found);
    found.into_result(DOMAIN)?;
    let program = api.catalogue.program(api.db.reader(), &caller.tenant, &given.program_id).await;
    program.map_err(|e| told(&e))?.ok_or_else(|| program_not_found(&given.program_id))?;
    let call = caller.call(DOMAIN, "CreateReward", request_id, &message);
    let command = Once { scope: Owner::named(&caller.tenant, &reward.program_id), call, now };
    let tenant = caller.tenant.clone();
    let submitted = api.submit_once(&caller, command, move |tx| {
        let (tenant, reward) = (tenant.clone(), reward.clone());
        async move { write(tx, &tenant, &reward, stock).await }.boxed()
    });
    let (response, replayed): (pb::CreateRewardResponse, bool) = submitted.await?;
    Ok(pb::CreateRewardResponse { replayed, ..response })
}

async fn write(tx: &db::Tx, tenant: &Tenant, reward: &Reward, stock: Stock) -> Result<Written, db::Error> {
    let key = rewards::Key::new(tenant, &reward.program_id, &reward.id);
    if rewards::find(tx, &key).await?.is_some() {
        let problem = exists("REWARD_EXISTS", &format!("reward {}", reward.id));
        return Ok(Written::refused(&problem.with("reward_id", &reward.id)));
    }
    let program = programs::find(tx, tenant, &reward.program_id).await?;
    if let Some(Err(problem)) = program.map(|program| fits(reward, &program)) {
        return Ok(Written::refused(&problem));
    }
    rewards::insert(tx, tenant, reward, stock).await?;
    let reward = Some(reward_message(reward, stock));
    Ok(Written::done(&pb::CreateRewardResponse { reward, replayed: false }))
}
