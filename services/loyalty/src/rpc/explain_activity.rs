//! ExplainActivity: why an activity earned what it earned.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::activity_wire::activity_ref;
use super::call::told;
use super::explanation::explanation;
use super::get_activity::find_activity;
use super::list_lots::lot_message;
use super::refusal::{DOMAIN, program_not_found};
use super::wire::uuid;
use crate::store::{lots, programs};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ExplainActivityRequest>,
) -> Result<pb::ExplainActivityResponse, Status> {
    use pb::explain_activity_request::Activity;
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
    let (owner, wallet, program) = api.settled(&caller, member_id).await?;
    let program_id = program.id.clone();
    let activity = find_activity(api, (&owner, member_id), &named).await?;
    let db = api.db.reader();
    // The rules that granted it may be younger than those that are held here.
    let program = programs::find(db, &caller.tenant, &program_id).await.map_err(|e| told(&e))?;
    let program = program.ok_or_else(|| program_not_found(&program_id))?;
    let opened = lots::earned(db, &owner, &activity).await.map_err(|e| told(&e))?;
    let opened = opened.iter().map(|lot| lot_message(&wallet, &program, lot)).collect();
    Ok(pb::ExplainActivityResponse { explanation: Some(explanation(&program, &activity, opened)?) })
}
