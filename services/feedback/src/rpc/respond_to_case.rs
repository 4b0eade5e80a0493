//! RespondToCase: the customer was answered.

use proto::rapport::feedback::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::Asked;
use crate::domain::Work;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::RespondToCaseRequest>,
) -> Result<pb::RespondToCaseResponse, Status> {
    let (caller, asked) = Caller::open(request)?;
    let ids = (asked.request_id.as_str(), asked.case_id.as_str());
    let work = Work::Respond;
    let work = Asked::decode(&caller, ("RespondToCase", &asked), ids, work, (asked.version, &asked.note))?;
    let respond = |case| pb::RespondToCaseResponse { case: Some(case), replayed: false };
    let (response, replayed) = api.work(&caller, work, respond).await?;
    Ok(pb::RespondToCaseResponse { replayed, ..response })
}
