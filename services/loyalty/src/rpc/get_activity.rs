//! GetActivity: one activity of a member.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::{DOMAIN, activity_not_found, member_not_found};
use super::wire::{activity_message, activity_ref, uuid};
use crate::domain::ActivityRef;
use crate::store::{Owner, activities, wallets};

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
    let (db, owner) = (api.db.reader(), Owner::new(&caller.tenant, member_id));
    let wallet = wallets::find(db, &owner).await.map_err(|e| told(&e))?;
    wallet.ok_or_else(|| member_not_found(&message.member_id))?;
    let missing = || activity_not_found(if id.is_empty() { external_id } else { id }).to_status();
    let id = match named {
        ActivityRef::Id(id) => id,
        ActivityRef::External(external_id) => {
            let key = (owner.clone(), external_id);
            let mut ids =
                activities::find_external(db, std::slice::from_ref(&key)).await.map_err(|e| told(&e))?;
            ids.remove(&key).ok_or_else(missing)?
        }
    };
    let key = (owner, id);
    let mut activities = activities::find(db, std::slice::from_ref(&key)).await.map_err(|e| told(&e))?;
    let activity = activities.remove(&key).ok_or_else(missing)?;
    Ok(pb::GetActivityResponse { activity: Some(activity_message(&activity)) })
}
