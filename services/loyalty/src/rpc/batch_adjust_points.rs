//! BatchAdjustPoints: many adjustments, each on its own unless the mode says otherwise.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::adjust_points::decode;
use super::call::{ledger_request, together};
use super::refusal::DOMAIN;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::BatchAdjustPointsRequest>,
) -> Result<pb::BatchAdjustPointsResponse, Status> {
    use pb::adjust_points_result::Result as One;
    let (caller, message) = Caller::open(request)?;
    let mode = together(message.mode());
    let requests = message.requests.iter().map(|item| {
        if item.for_review && mode.is_some() {
            let why = "must not be set in this mode: what waits for a review is not done";
            let mut found = Violations::default();
            found.add(&Path::ROOT, "for_review", why);
            found.into_result(DOMAIN)?;
        }
        let (member_id, command, call) = decode(&caller, item)?;
        Ok((member_id, ledger_request(&caller, member_id, command, call)))
    });
    let answers = api.submit_each(&caller, requests.collect(), mode).await?;
    let result = |answer: Result<(pb::AdjustPointsResponse, bool), Status>| {
        let answer = answer.map(|(response, replayed)| pb::AdjustPointsResponse { replayed, ..response });
        let result = answer.map_or_else(|status| One::Error(rpc::to_proto(&status)), One::Response);
        pb::AdjustPointsResult { result: Some(result) }
    };
    Ok(pb::BatchAdjustPointsResponse { results: answers.into_iter().map(result).collect() })
}
