//! LookupMember: a member by the caller's own key.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use rpc::Problem;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::enroll_member::member_message;
use super::refusal::DOMAIN;
use crate::store::members;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::LookupMemberRequest>,
) -> Result<pb::LookupMemberResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let external_id = match &message.key {
        Some(pb::lookup_member_request::Key::ExternalId(id)) => id.as_str(),
        None => "",
    };
    let found =
        members::find_external(api.db.reader(), &caller.tenant, &message.program_id, external_id).await;
    let missing = || {
        Problem::not_found(DOMAIN, "MEMBER_NOT_FOUND", "the program has no member with this external_id")
            .with("program_id", &message.program_id)
            .with("external_id", external_id)
    };
    let member = found.map_err(|e| told(&e))?.ok_or_else(missing)?;
    Ok(pb::LookupMemberResponse { member: Some(member_message(&member)) })
}
