//! AssignCase: somebody is to work on a case.

use proto::rapport::feedback::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::Asked;
use crate::domain::Work;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::AssignCaseRequest>,
) -> Result<pb::AssignCaseResponse, Status> {
    let (caller, asked) = Caller::open(request)?;
    let ids = (asked.request_id.as_str(), asked.case_id.as_str());
    let work = Work::Assign { agent_id: asked.agent_id.clone() };
    let work = Asked::decode(&caller, ("AssignCase", &asked), ids, work, (asked.version, &asked.note))?;
    let respond = |case| pb::AssignCaseResponse { case: Some(case), replayed: false };
    let (response, replayed) = api.work(&caller, work, respond).await?;
    Ok(pb::AssignCaseResponse { replayed, ..response })
}
