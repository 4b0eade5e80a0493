//! TransferPoints: points of one member for another, through the ledger.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Written};
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::refusal::{DOMAIN, problem};
use super::wire::{balance_after, read_token, uuid};
use crate::domain::{Command, TransferPoints};
use crate::ledger::{Answered, Asked};

pub(super) const METHOD: &str = "TransferPoints";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::TransferPointsRequest>,
) -> Result<pb::TransferPointsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let (member_id, command, call) = decode(&caller, &message)?;
    let submitted = api.submit(&caller, member_id, command, call).await;
    let (response, replayed): (pb::TransferPointsResponse, bool) = submitted?;
    Ok(pb::TransferPointsResponse { replayed, ..response })
}

pub(super) fn decode(
    caller: &Caller,
    message: &pb::TransferPointsRequest,
) -> Result<(Uuid, Command, Asked), Status> {
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
    let to_member_id = uuid(&message.to_member_id, &Path::ROOT, "to_member_id", &mut found);
    if to_member_id == member_id {
        found.add(&Path::ROOT, "to_member_id", "must name somebody else than member_id");
    }
    found.into_result(DOMAIN)?;
    let command = Command::TransferPoints(TransferPoints {
        member_id,
        currency: message.currency_code.clone(),
        to_member_id,
        points: message.points,
        note: message.note.clone(),
        expected_version: (message.expected_version > 0).then_some(message.expected_version),
    });
    Ok((member_id, command, Asked { call: caller.call(DOMAIN, METHOD, request_id, message), encode }))
}

fn encode(answered: &Answered<'_>) -> Written {
    if let Err(refusal) = answered.answer {
        return Written::refused(&problem(refusal));
    }
    let response = pb::TransferPointsResponse {
        balance: Some(balance_after(answered)),
        read_token: read_token(answered.wallet.id, answered.wallet.version),
        replayed: false,
    };
    Written::done(&response)
}
