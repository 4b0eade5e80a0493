//! BatchEnrollMembers: many members in one transaction, each on its own.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::enrolment::enrol;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::BatchEnrollMembersRequest>,
) -> Result<pb::BatchEnrollMembersResponse, Status> {
    use pb::enroll_member_result::Result as One;
    let (caller, message) = Caller::open(request)?;
    let answers = enrol(api, &caller, message.requests).await?;
    let result = |answer: Result<pb::EnrollMemberResponse, Status>| {
        let result = answer.map_or_else(|status| One::Error(rpc::to_proto(&status)), One::Response);
        pb::EnrollMemberResult { result: Some(result) }
    };
    Ok(pb::BatchEnrollMembersResponse { results: answers.into_iter().map(result).collect() })
}
