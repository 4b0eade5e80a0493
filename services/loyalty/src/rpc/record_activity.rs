//! RecordActivity: what a member did, through the ledger.

use prost::Message;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Call, Caller, Written};
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::activity_wire::{activity_message, recorded};
use super::refusal::{DOMAIN, problem};
use super::wire::{balance_after, read_token, uuid, uuid_text};
use crate::domain::Command;
use crate::ledger::{Answered, Asked};

pub(super) const METHOD: &str = "RecordActivity";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::RecordActivityRequest>,
) -> Result<pb::RecordActivityResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let (member_id, command, call) = decode(api, &caller, &message)?;
    let submitted = api.submit(&caller, member_id, command, call).await;
    let (mut response, replayed): (pb::RecordActivityResponse, bool) = submitted?;
    response.replayed = replayed;
    Ok(response)
}

pub(super) fn decode(
    api: &Api,
    caller: &Caller,
    message: &pb::RecordActivityRequest,
) -> Result<(Uuid, Command, Asked), Status> {
    let mut found = Violations::default();
    let root = Path::ROOT;
    let request_id = uuid(&message.request_id, &root, "request_id", &mut found);
    let member_id = uuid(&message.member_id, &root, "member_id", &mut found);
    let given = message.activity.clone().unwrap_or_default();
    let ids = (api.ids.v7(api.clock.now()), member_id);
    let command = Command::RecordActivity(recorded(&given, ids, &root.field("activity"), &mut found));
    found.into_result(DOMAIN)?;
    Ok((member_id, command, Asked { call: caller.call(DOMAIN, METHOD, request_id, message), encode }))
}

/// An activity that the service itself records: the same id acts once.
pub(crate) fn of_service(
    activity_id: Uuid,
    (request_id, member_id): (Uuid, Uuid),
    activity: pb::Activity,
) -> (Command, Asked) {
    let mut found = Violations::default();
    let given = recorded(&activity, (activity_id, member_id), &Path::ROOT, &mut found);
    let message = pb::RecordActivityRequest {
        request_id: uuid_text(request_id),
        member_id: uuid_text(member_id),
        activity: Some(activity),
    };
    let (body, subject) = (message.encode_to_vec(), String::new());
    let call = Call { domain: DOMAIN, request_id, method: METHOD, body, subject };
    (Command::RecordActivity(given), Asked { call, encode })
}

fn encode(answered: &Answered<'_>) -> Written {
    let reply = match answered.answer {
        Ok(reply) => reply,
        Err(refusal) => return Written::refused(&problem(refusal)),
    };
    let response = pb::RecordActivityResponse {
        activity: reply.activity().map(|one| activity_message(answered.program, one)),
        balance: Some(balance_after(answered)),
        read_token: read_token(answered.wallet.id, answered.wallet.version),
        replayed: false,
    };
    Written::done(&response)
}
