//! RedeemReward: points for a reward, in one step.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Written};
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::redemption_wire::{Answer, bill, written};
use super::refusal::DOMAIN;
use super::wire::uuid;
use crate::domain::{Command, RedeemReward};
use crate::ledger::{Answered, Asked};

pub(super) const METHOD: &str = "RedeemReward";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::RedeemRewardRequest>,
) -> Result<pb::RedeemRewardResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let (member_id, command, call) = decode(api, &caller, &message)?;
    let submitted = api.submit(&caller, member_id, command, call).await;
    let (response, replayed): (pb::RedeemRewardResponse, bool) = submitted?;
    Ok(pb::RedeemRewardResponse { replayed, ..response })
}

pub(super) fn decode(
    api: &Api,
    caller: &Caller,
    message: &pb::RedeemRewardRequest,
) -> Result<(Uuid, Command, Asked), Status> {
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
    let bill = bill(message.amount.as_ref(), (message.max_points, message.quantity), &Path::ROOT, &mut found);
    found.into_result(DOMAIN)?;
    let command = Command::RedeemReward(RedeemReward {
        redemption_id: api.ids.v7(api.clock.now()),
        member_id,
        reward_id: message.reward_id.clone(),
        price_id: message.price_id.clone(),
        quantity: message.quantity.max(1),
        bill,
    });
    Ok((member_id, command, Asked { call: caller.call(DOMAIN, METHOD, request_id, message), encode }))
}

fn encode(answered: &Answered<'_>) -> Written {
    written(answered, |Answer { redemption, balance, read_token, .. }| pb::RedeemRewardResponse {
        redemption,
        balance,
        read_token,
        replayed: false,
    })
}
