//! CancelActivity: an activity is taken back while its points are pending, through the ledger.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Written};
use tonic::{Request, Status};

use super::Api;
use super::activity_wire::{activity_message, activity_ref};
use super::refusal::{DOMAIN, problem};
use super::wire::{balance_after, read_token, reversals, uuid};
use crate::domain::{CancelActivity, Command};
use crate::ledger::{Answered, Asked};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::CancelActivityRequest>,
) -> Result<pb::CancelActivityResponse, Status> {
    use pb::cancel_activity_request::Activity;
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
    let (id, external_id) = match &message.activity {
        Some(Activity::ActivityId(id)) => (id.as_str(), ""),
        Some(Activity::ExternalId(id)) => ("", id.as_str()),
        None => ("", ""),
    };
    let activity = activity_ref(id, external_id, &mut found);
    found.into_result(DOMAIN)?;
    let note = message.reason.clone();
    let command = Command::CancelActivity(CancelActivity { member_id, activity, note });
    let call = Asked { call: caller.call(DOMAIN, "CancelActivity", request_id, &message), encode };
    let submitted = api.submit(&caller, member_id, command, call).await;
    let (response, replayed): (pb::CancelActivityResponse, bool) = submitted?;
    Ok(pb::CancelActivityResponse { replayed, ..response })
}

fn encode(answered: &Answered<'_>) -> Written {
    let reply = match answered.answer {
        Ok(reply) => reply,
        Err(refusal) => return Written::refused(&problem(refusal)),
    };
    let (reversal, further_reversals) = reversals(reply, answered.program);
    let response = pb::CancelActivityResponse {
        activity: reply.activity().map(|one| activity_message(answered.program, one)),
        reversal: Some(reversal),
        further_reversals,
        balance: Some(balance_after(answered)),
        read_token: read_token(answered.wallet.id, answered.wallet.version),
        replayed: false,
    };
    Written::done(&response)
}
