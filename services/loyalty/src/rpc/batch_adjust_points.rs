//! BatchAdjustPoints: many adjustments, each on its own unless the mode says otherwise.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::adjust_points::decode;
use super::call::{ledger_request, together};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::BatchAdjustPointsRequest>,
) -> Result<pb::BatchAdjustPointsResponse, Status> {
    use pb::adjust_points_result::Result as One;
    let (caller, message) = Caller::open(request)?;
    let requests = message.requests.iter().map(|item| {
        let (member_id, command, call) = decode(&caller, item)?;
        Ok((member_id, ledger_request(&caller, member_id, command, call)))
    });
    let answers = api.submit_each(&caller, requests.collect(), together(message.mode())).await?;
    let result = |answer: Result<(pb::AdjustPointsResponse, bool), Status>| {
        let answer = answer.map(|(response, replayed)| pb::AdjustPointsResponse { replayed, ..response });
        let result = answer.map_or_else(|status| One::Error(rpc::to_proto(&status)), One::Response);
        pb::AdjustPointsResult { result: Some(result) }
    };
    Ok(pb::BatchAdjustPointsResponse { results: answers.into_iter().map(result).collect() })
}
