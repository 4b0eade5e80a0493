//! RedeemReward: points for a reward, in one step.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Written};
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::refusal::{DOMAIN, problem};
use super::wire::{balance_after, read_token, timestamp, uuid, uuid_text};
use crate::domain::{Command, RedeemReward, Redemption, RedemptionState};
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
    found.into_result(DOMAIN)?;
    let command = Command::RedeemReward(RedeemReward {
        redemption_id: api.ids.v7(api.clock.now()),
        member_id,
        reward_id: message.reward_id.clone(),
        quantity: message.quantity.max(1),
    });
    Ok((member_id, command, Asked { call: caller.call(DOMAIN, METHOD, request_id, message), encode }))
}

fn encode(answered: &Answered<'_>) -> Written {
    let reply = match answered.answer {
        Ok(reply) => reply,
        Err(refusal) => return Written::refused(&problem(refusal)),
    };
    let response = pb::RedeemRewardResponse {
        redemption: reply.redemption().map(redemption_message),
        balance: Some(balance_after(answered)),
        read_token: read_token(answered.wallet.id, answered.wallet.version),
        replayed: false,
    };
    Written::done(&response)
}

pub(super) fn redemption_message(redemption: &Redemption) -> pb::Redemption {
    let state = match redemption.state {
        RedemptionState::Captured => pb::RedemptionState::Captured,
    };
    pb::Redemption {
        redemption_id: uuid_text(redemption.id),
        member_id: uuid_text(redemption.member_id),
        program_id: redemption.program_id.clone(),
        reward_id: redemption.reward_id.clone(),
        reward_version: redemption.reward_version,
        quantity: redemption.quantity,
        points: redemption.points,
        state: state.into(),
        create_time: Some(timestamp(redemption.create_time)),
        currency_code: redemption.currency.clone(),
    }
}
