//! EnrollMember: a new member with an empty wallet.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::enrolment::enrol;
use super::wire::{timestamp, uuid_text};
use crate::store::members::{self, Member};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::EnrollMemberRequest>,
) -> Result<pb::EnrollMemberResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let answers = enrol(api, &caller, vec![message]).await?;
    let missing = || rpc::error::internal_because("an enrolment was not answered");
    answers.into_iter().next().ok_or_else(missing)?
}

pub(super) fn member_message(member: &Member) -> pb::Member {
    let state = match member.state {
        members::ACTIVE => pb::MemberState::Active,
        _ => pb::MemberState::Unspecified,
    };
    pb::Member {
        member_id: uuid_text(member.id),
        program_id: member.program_id.clone(),
        external_id: member.external_id.clone(),
        wallet_id: uuid_text(member.wallet_id),
        state: state.into(),
        create_time: Some(timestamp(member.create_time)),
    }
}
