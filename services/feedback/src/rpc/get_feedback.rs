//! GetFeedback: one record.

use proto::rapport::feedback::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use requests::wire::{uuid, uuid_text};
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::{DOMAIN, feedback_not_found};
use super::submission::message;
use crate::store::{Owner, feedback};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetFeedbackRequest>,
) -> Result<pb::GetFeedbackResponse, Status> {
    let (caller, asked) = Caller::open(request)?;
    let mut found = Violations::default();
    let id = uuid(&asked.feedback_id, &Path::ROOT, "feedback_id", &mut found);
    found.into_result(DOMAIN)?;
    let owner = Owner::new(&caller.tenant, id);
    let records = feedback::find(api.db.reader(), std::slice::from_ref(&owner)).await;
    let records = records.map_err(|e| told(&e))?;
    let record = records.get(&owner).ok_or_else(|| feedback_not_found(id))?;
    Ok(pb::GetFeedbackResponse { feedback: Some(message(record)), case_id: uuid_text(record.case_id) })
}
