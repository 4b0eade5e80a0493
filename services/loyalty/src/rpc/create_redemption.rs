//! CreateRedemption: points and units of a reward are held.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Written};
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::redemption_wire::{Answer, bill, written};
use super::refusal::DOMAIN;
use super::wire::uuid;
use crate::domain::{Command, CreateRedemption, RedeemReward};
use crate::ledger::{Answered, Asked};

pub(super) const METHOD: &str = "CreateRedemption";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::CreateRedemptionRequest>,
) -> Result<pb::CreateRedemptionResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let (member_id, command, call) = decode(api, &caller, &message)?;
    let submitted = api.submit(&caller, member_id, command, call).await;
    let (response, replayed): (pb::CreateRedemptionResponse, bool) = submitted?;
    Ok(pb::CreateRedemptionResponse { replayed, ..response })
}

pub(super) fn decode(
    api: &Api,
    caller: &Caller,
    message: &pb::CreateRedemptionRequest,
) -> Result<(Uuid, Command, Asked), Status> {
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
    let bill = bill(message.amount.as_ref(), (message.max_points, message.quantity), &Path::ROOT, &mut found);
    found.into_result(DOMAIN)?;
    let what = RedeemReward {
        redemption_id: api.ids.v7(api.clock.now()),
        member_id,
        reward_id: message.reward_id.clone(),
        price_id: message.price_id.clone(),
        quantity: message.quantity.max(1),
        bill,
    };
    let hold_seconds = Some(message.hold_seconds).filter(|seconds| *seconds > 0);
    let command = Command::CreateRedemption(CreateRedemption { what, hold_seconds });
    Ok((member_id, command, Asked { call: caller.call(DOMAIN, METHOD, request_id, message), encode }))
}

fn encode(answered: &Answered<'_>) -> Written {
    written(answered, |Answer { redemption, balance, read_token, .. }| pb::CreateRedemptionResponse {
        redemption,
        balance,
        read_token,
        replayed: false,
    })
}
