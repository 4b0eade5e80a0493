//! GetActivity: one activity of a member.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::activity_wire::{activity_message, activity_ref};
use super::call::told;
use super::refusal::{DOMAIN, activity_not_found};
use super::wire::{uuid, uuid_text};
use crate::domain::{Activity, ActivityRef};
use crate::store::{Owner, activities};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetActivityRequest>,
) -> Result<pb::GetActivityResponse, Status> {
    use pb::get_activity_request::Activity;
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
    let (id, external_id) = match &message.activity {
        Some(Activity::ActivityId(id)) => (id.as_str(), ""),
        Some(Activity::ExternalId(id)) => ("", id.as_str()),
        None => ("", ""),
    };
    let named = activity_ref(id, external_id, &mut found);
    found.into_result(DOMAIN)?;
    let (owner, _, program) = api.settled(&caller, member_id).await?;
    let activity = find_activity(api, (&owner, member_id), &named).await?;
    Ok(pb::GetActivityResponse { activity: Some(activity_message(&program, &activity)) })
}

/// An activity of a wallet; by the caller's own key one of the member.
pub(super) async fn find_activity(
    api: &Api,
    (owner, member_id): (&Owner, Uuid),
    named: &ActivityRef,
) -> Result<Activity, Status> {
    let db = api.db.reader();
    let id = match named {
        ActivityRef::Id(id) => Some(*id),
        ActivityRef::External(external_id) => {
            let key = (owner.clone(), member_id, external_id.clone());
            let ids = activities::find_external(db, std::slice::from_ref(&key)).await;
            ids.map_err(|e| told(&e))?.remove(&key)
        }
    };
    let missing = || match named {
        ActivityRef::Id(id) => activity_not_found(&uuid_text(*id)).to_status(),
        ActivityRef::External(external_id) => activity_not_found(external_id).to_status(),
    };
    let key = (owner.clone(), id.ok_or_else(missing)?);
    let found = activities::find(db, std::slice::from_ref(&key)).await;
    found.map_err(|e| told(&e))?.remove(&key).ok_or_else(missing)
}
