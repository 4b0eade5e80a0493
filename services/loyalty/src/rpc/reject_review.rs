//! RejectReview: what waited is never done.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Written};
use tonic::{Request, Status};

use super::Api;
use super::call::{ledger_request, told};
use super::refusal::{DOMAIN, problem, review_not_found};
use super::wire::uuid;
use crate::domain::Command;
use crate::ledger::{self, Answered, Asked, Decides};
use crate::store::{Owner, reviews};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::RejectReviewRequest>,
) -> Result<pb::RejectReviewResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
    let review_id = uuid(&message.review_id, &Path::ROOT, "review_id", &mut found);
    found.into_result(DOMAIN)?;
    let key = (Owner::new(&caller.tenant, member_id), review_id);
    let known = reviews::find(api.db.reader(), std::slice::from_ref(&key)).await.map_err(|e| told(&e))?;
    known.get(&key).ok_or_else(|| review_not_found(&message.review_id))?;
    let call = Asked { call: caller.call(DOMAIN, "RejectReview", request_id, &message), encode };
    let request = ledger_request(&caller, member_id, Command::RejectReview, call);
    let decides = Some(Decides { review_id, by: message.approver, note: message.note });
    let submitted = api.submit_request(&caller, member_id, ledger::Request { decides, ..request }).await;
    let (_, replayed): (pb::RejectReviewResponse, bool) = submitted?;
    Ok(pb::RejectReviewResponse { replayed })
}

fn encode(answered: &Answered<'_>) -> Written {
    match answered.answer {
        Ok(_) => Written::done(&pb::RejectReviewResponse { replayed: false }),
        Err(refusal) => Written::refused(&problem(refusal)),
    }
}
