//! GetRedemption: one redemption of a member.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use rpc::Problem;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::redeem_reward::redemption_message;
use super::refusal::DOMAIN;
use super::wire::uuid;
use crate::store::redemptions;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetRedemptionRequest>,
) -> Result<pb::GetRedemptionResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
    let redemption_id = uuid(&message.redemption_id, &Path::ROOT, "redemption_id", &mut found);
    found.into_result(DOMAIN)?;
    let (owner, _) = api.located(&caller.tenant, member_id).await?;
    let redemption = redemptions::find(api.db.reader(), &owner, redemption_id).await.map_err(|e| told(&e))?;
    let missing = || {
        Problem::not_found(DOMAIN, "REDEMPTION_NOT_FOUND", "the member has no such redemption")
            .with("redemption_id", &message.redemption_id)
    };
    let redemption = redemption.ok_or_else(missing)?;
    Ok(pb::GetRedemptionResponse { redemption: Some(redemption_message(&redemption)) })
}
