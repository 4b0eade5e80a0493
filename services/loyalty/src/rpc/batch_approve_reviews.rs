//! BatchApproveReviews: many commands that waited, each on its own.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::approve_review::prepare;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::BatchApproveReviewsRequest>,
) -> Result<pb::BatchApproveReviewsResponse, Status> {
    use pb::approve_review_result::Result as One;
    let (caller, message) = Caller::open(request)?;
    let requests = prepare(api, &caller, &message.requests).await?;
    let answers = api.submit_each(&caller, requests, None).await?;
    let result = |answer: Result<(pb::ApproveReviewResponse, bool), Status>| {
        let answer = answer.map(|(response, replayed)| pb::ApproveReviewResponse { replayed, ..response });
        let result = answer.map_or_else(|status| One::Error(rpc::to_proto(&status)), One::Response);
        pb::ApproveReviewResult { result: Some(result) }
    };
    Ok(pb::BatchApproveReviewsResponse { results: answers.into_iter().map(result).collect() })
}
