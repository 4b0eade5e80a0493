//! ListActivities: the activities of a wallet, last recorded first.

use prost::Message;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::activity_wire::{activity_message, kinds};
use super::call::told;
use super::refusal::DOMAIN;
use super::wire::{only_id, period};
use crate::store::activities::{self, Selection};

const METHOD: &str = "ListActivities";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListActivitiesRequest>,
) -> Result<pb::ListActivitiesResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let member_id = only_id(&message.member_id, "member_id")?;
    let filter = message.filter.clone().unwrap_or_default();
    let selection = selection(&filter)?;
    let asked = format!("{} {:?}", message.member_id, filter.encode_to_vec());
    let list = caller.list(&api.pages, METHOD, &asked, message.page_size)?;
    let cursor = list.open(&message.page_token)?;
    let before = cursor.and_then(|bytes| Uuid::from_slice(&bytes).ok()).unwrap_or(Uuid::max());
    let (owner, _, program) = api.settled(&caller, member_id).await?;
    let db = api.db.reader();
    let found = activities::page(db, &owner, &selection, before, list.limit()).await;
    let mut found = found.map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut found, |_| 0, |a| a.id.as_bytes().to_vec());
    Ok(pb::ListActivitiesResponse {
        activities: found.iter().map(|one| activity_message(&program, one)).collect(),
        next_page_token,
    })
}

fn selection(filter: &pb::ActivityFilter) -> Result<Selection, Status> {
    let (path, mut found) = (Path::ROOT.field("filter"), Violations::default());
    let kinds = kinds(&filter.types, &path, "types", &mut found).unwrap_or_default();
    let occurred = [(filter.occurred_since, "occurred_since"), (filter.occurred_before, "occurred_before")];
    let (since, before) = period(occurred, &path, &mut found);
    found.into_result(DOMAIN)?;
    Ok(Selection { kinds, since, before })
}
