//! BatchRecordActivities: many activities, each on its own unless the mode says otherwise.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::{ledger_request, together};
use super::record_activity::decode;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::BatchRecordActivitiesRequest>,
) -> Result<pb::BatchRecordActivitiesResponse, Status> {
    use pb::record_activity_result::Result as One;
    let (caller, message) = Caller::open(request)?;
    let requests = message.requests.iter().map(|item| {
        let (member_id, command, call) = decode(api, &caller, item)?;
        Ok((member_id, ledger_request(&caller, member_id, command, call)))
    });
    let answers = api.submit_each(&caller, requests.collect(), together(message.mode())).await?;
    let result = |answer: Result<(pb::RecordActivityResponse, bool), Status>| {
        let answer = answer.map(|(response, replayed)| pb::RecordActivityResponse { replayed, ..response });
        let result = answer.map_or_else(|status| One::Error(rpc::to_proto(&status)), One::Response);
        pb::RecordActivityResult { result: Some(result) }
    };
    Ok(pb::BatchRecordActivitiesResponse { results: answers.into_iter().map(result).collect() })
}
