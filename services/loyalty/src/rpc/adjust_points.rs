//! AdjustPoints: points given or taken by hand, through the ledger.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Written};
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::refusal::{DOMAIN, problem};
use super::wire::{balance_after, read_token, uuid};
use crate::domain::{AdjustPoints, Command};
use crate::ledger::{Answered, Asked};

pub(super) const METHOD: &str = "AdjustPoints";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::AdjustPointsRequest>,
) -> Result<pb::AdjustPointsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let (member_id, command, call) = decode(&caller, &message)?;
    let submitted = api.submit(&caller, member_id, command, call).await;
    let (response, replayed): (pb::AdjustPointsResponse, bool) = submitted?;
    Ok(pb::AdjustPointsResponse { replayed, ..response })
}

pub(super) fn decode(
    caller: &Caller,
    message: &pb::AdjustPointsRequest,
) -> Result<(Uuid, Command, Asked), Status> {
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
    found.into_result(DOMAIN)?;
    let command = Command::AdjustPoints(AdjustPoints {
        member_id,
        currency: message.currency_code.clone(),
        points: message.points,
        note: format!("{} (approved by {})", message.reason, message.approver),
        expected_version: (message.expected_version > 0).then_some(message.expected_version),
        for_review: message.for_review,
    });
    Ok((member_id, command, Asked { call: caller.call(DOMAIN, METHOD, request_id, message), encode }))
}

fn encode(answered: &Answered<'_>) -> Written {
    if let Err(refusal) = answered.answer {
        return Written::refused(&problem(refusal));
    }
    let response = pb::AdjustPointsResponse {
        balance: Some(balance_after(answered)),
        read_token: read_token(answered.wallet.id, answered.wallet.version),
        replayed: false,
    };
    Written::done(&response)
}
