//! ReinstatePoints: points that expired are given back, through the ledger.

use ambient::Time;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Written};
use tonic::{Request, Status};

use super::Api;
use super::refusal::{DOMAIN, problem};
use super::wire::{balance_after, read_token, time, uuid};
use crate::domain::{Command, ReinstatePoints};
use crate::ledger::{Answered, Asked};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ReinstatePointsRequest>,
) -> Result<pb::ReinstatePointsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
    let expired_since = time(message.expired_since, &Path::ROOT, "expired_since", &mut found);
    let expire_time = time(message.expire_time, &Path::ROOT, "expire_time", &mut found);
    found.into_result(DOMAIN)?;
    let command = Command::ReinstatePoints(ReinstatePoints {
        member_id,
        currency: message.currency_code.clone(),
        // Required, so it is there.
        expired_since: expired_since.unwrap_or(Time::NEVER),
        expire_time,
        note: format!("{} (approved by {})", message.reason, message.approver),
    });
    let call = Asked { call: caller.call(DOMAIN, "ReinstatePoints", request_id, &message), encode };
    let submitted = api.submit(&caller, member_id, command, call).await;
    let (response, replayed): (pb::ReinstatePointsResponse, bool) = submitted?;
    Ok(pb::ReinstatePointsResponse { replayed, ..response })
}

fn encode(answered: &Answered<'_>) -> Written {
    let reply = match answered.answer {
        Ok(reply) => reply,
        Err(refusal) => return Written::refused(&problem(refusal)),
    };
    Written::done(&pb::ReinstatePointsResponse {
        points_reinstated: reply.points().values().sum(),
        balance: Some(balance_after(answered)),
        read_token: read_token(answered.wallet.id, answered.wallet.version),
        replayed: false,
    })
}
