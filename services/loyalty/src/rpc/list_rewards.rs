//! ListRewards: the rewards of a program with their stock, page by page.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::program_not_found;
use super::reward_wire::reward_message;
use crate::store::rewards;

const METHOD: &str = "ListRewards";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListRewardsRequest>,
) -> Result<pb::ListRewardsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let (db, program_id) = (api.db.reader(), &message.program_id);
    let program = api.catalogue.program(db, &caller.tenant, program_id).await.map_err(|e| told(&e))?;
    program.ok_or_else(|| program_not_found(program_id))?;
    let list = caller.list(&api.pages, METHOD, program_id, message.page_size)?;
    let cursor = list.open(&message.page_token)?.unwrap_or_default();
    let after = String::from_utf8_lossy(&cursor);
    let mut found =
        rewards::page(db, &caller.tenant, program_id, &after, list.limit()).await.map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut found, |_| 0, |r| r.id.as_bytes().to_vec());
    let stock = rewards::on_offer(db, &caller.tenant, &found, api.clock.now()).await.map_err(|e| told(&e))?;
    let rewards = found.iter().zip(stock).map(|(reward, stock)| reward_message(reward, stock));
    Ok(pb::ListRewardsResponse { rewards: rewards.collect(), next_page_token })
}
