//! GetMember: one member by its id.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::member_wire::member_message;
use super::refusal::member_not_found;
use super::wire::only_id;
use crate::store::members;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetMemberRequest>,
) -> Result<pb::GetMemberResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let member_id = only_id(&message.member_id, "member_id")?;
    let member = members::find(api.db.reader(), &caller.tenant, member_id).await.map_err(|e| told(&e))?;
    let member = member.ok_or_else(|| member_not_found(&message.member_id))?;
    Ok(pb::GetMemberResponse { member: Some(member_message(&member)) })
}
