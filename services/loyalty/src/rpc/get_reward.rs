//! GetReward: one reward with its stock.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::reward_not_found;
use super::reward_wire::offered;
use crate::store::rewards;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetRewardRequest>,
) -> Result<pb::GetRewardResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let db = api.db.reader();
    let key = rewards::Key::new(&caller.tenant, &message.program_id, &message.reward_id);
    let found = match message.version {
        0 => rewards::find(db, &key).await,
        version => rewards::find_version(db, &key, version).await,
    };
    let reward = found.map_err(|e| told(&e))?.ok_or_else(|| reward_not_found(&message.reward_id))?;
    let reward = offered(db, &caller.tenant, &reward, api.clock.now()).await.map_err(|e| told(&e))?;
    Ok(pb::GetRewardResponse { reward: Some(reward) })
}
