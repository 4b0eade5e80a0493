//! EnrollMember: a new member with an empty wallet.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::enrolment::enrol;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::EnrollMemberRequest>,
) -> Result<pb::EnrollMemberResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let answers = enrol(api, &caller, vec![message]).await?;
    let missing = || rpc::error::internal_because("an enrolment was not answered");
    answers.into_iter().next().ok_or_else(missing)?
}
