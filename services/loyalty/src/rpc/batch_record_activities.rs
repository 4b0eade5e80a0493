//! BatchRecordActivities: many activities, each on its own.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::{ledger_request, response};
use super::record_activity::decode;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::BatchRecordActivitiesRequest>,
) -> Result<pb::BatchRecordActivitiesResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut results = Vec::with_capacity(message.requests.len());
    let mut submitted = Vec::with_capacity(message.requests.len());
    let mut places = Vec::with_capacity(message.requests.len());
    for (place, item) in message.requests.iter().enumerate() {
        match decode(api, &caller, item) {
            Ok((member_id, command, call)) => {
                places.push((place, member_id));
                submitted.push(ledger_request(&caller, member_id, command, call));
                results.push(pb::RecordActivityResult::default());
            }
            Err(status) => results.push(refused(&status)),
        }
    }
    let (lanes, deadline) = (api.lanes.clone(), caller.deadline);
    let answers = caller.run(async move { lanes.submit_all(submitted, deadline).await }).await?;
    for ((place, member_id), answer) in places.into_iter().zip(answers) {
        results[place] = match response::<pb::RecordActivityResponse>(answer, member_id) {
            Ok((response, replayed)) => {
                let response = pb::RecordActivityResponse { replayed, ..response };
                pb::RecordActivityResult {
                    result: Some(pb::record_activity_result::Result::Response(response)),
                }
            }
            Err(status) => refused(&status),
        };
    }
    Ok(pb::BatchRecordActivitiesResponse { results })
}

fn refused(status: &Status) -> pb::RecordActivityResult {
    let error = rpc::to_proto(status);
    pb::RecordActivityResult { result: Some(pb::record_activity_result::Result::Error(error)) }
}
