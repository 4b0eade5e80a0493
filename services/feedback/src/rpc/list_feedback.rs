//! ListFeedback: records, those taken last first.

use proto::rapport::feedback::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use requests::wire::{cursor, place};
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::DOMAIN;
use super::submission::{customer, message, text_bytes};
use crate::store::feedback::{self, Place};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListFeedbackRequest>,
) -> Result<pb::ListFeedbackResponse, Status> {
    let (caller, asked) = Caller::open(request)?;
    let mut found = Violations::default();
    let named = customer(asked.customer.as_ref(), &Path::ROOT.field("customer"), &mut found);
    found.into_result(DOMAIN)?;
    let subject_id = asked.customer.is_some().then(|| named.subject());
    let filter = subject_id.map(|id| id.to_string()).unwrap_or_default();
    let list = caller.list(&api.pages, "ListFeedback", &filter, asked.page_size)?;
    let before = list.open(&asked.page_token)?.as_deref().and_then(place);
    let before = before.map(|(ingest_time, feedback_id)| Place { ingest_time, feedback_id });
    let read = feedback::page(api.db.reader(), &caller.tenant, subject_id, before, list.limit());
    let mut found = read.await.map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut found, text_bytes, |one| cursor(one.ingest_time, one.id));
    Ok(pb::ListFeedbackResponse { feedback: found.iter().map(message).collect(), next_page_token })
}
