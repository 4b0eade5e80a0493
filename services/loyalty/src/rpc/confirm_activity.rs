//! ConfirmActivity: pending points become spendable, through the ledger.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Written};
use tonic::{Request, Status};

use super::Api;
use super::activity_wire::{activity_message, activity_ref};
use super::refusal::{DOMAIN, problem};
use super::wire::{balance_after, further_points, main_points, read_token, uuid};
use crate::domain::{Command, ConfirmActivity};
use crate::ledger::{Answered, Asked};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ConfirmActivityRequest>,
) -> Result<pb::ConfirmActivityResponse, Status> {
    use pb::confirm_activity_request::Activity;
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
    let command = Command::ConfirmActivity(ConfirmActivity { member_id, activity });
    let call = Asked { call: caller.call(DOMAIN, "ConfirmActivity", request_id, &message), encode };
    let submitted = api.submit(&caller, member_id, command, call).await;
    let (response, replayed): (pb::ConfirmActivityResponse, bool) = submitted?;
    Ok(pb::ConfirmActivityResponse { replayed, ..response })
}

fn encode(answered: &Answered<'_>) -> Written {
    let reply = match answered.answer {
        Ok(reply) => reply,
        Err(refusal) => return Written::refused(&problem(refusal)),
    };
    let response = pb::ConfirmActivityResponse {
        activity: reply.activity().map(|one| activity_message(answered.program, one)),
        points_released: main_points(reply.points()),
        further_points_released: further_points(reply.points(), answered.program),
        balance: Some(balance_after(answered)),
        read_token: read_token(answered.wallet.id, answered.wallet.version),
        replayed: false,
    };
    Written::done(&response)
}
