//! ListActivities: the activities of a wallet, last recorded first.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::activity_wire::activity_message;
use super::call::told;
use super::wire::only_id;
use crate::store::activities;

const METHOD: &str = "ListActivities";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListActivitiesRequest>,
) -> Result<pb::ListActivitiesResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let member_id = only_id(&message.member_id, "member_id")?;
    let list = caller.list(&api.pages, METHOD, &message.member_id, message.page_size)?;
    let cursor = list.open(&message.page_token)?;
    let before = cursor.and_then(|bytes| Uuid::from_slice(&bytes).ok()).unwrap_or(Uuid::max());
    let (owner, _, program) = api.settled(&caller, member_id).await?;
    let db = api.db.reader();
    let mut found = activities::page(db, &owner, before, list.limit()).await.map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut found, |_| 0, |a| a.id.as_bytes().to_vec());
    Ok(pb::ListActivitiesResponse {
        activities: found.iter().map(|one| activity_message(&program, one)).collect(),
        next_page_token,
    })
}
