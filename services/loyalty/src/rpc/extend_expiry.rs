//! ExtendExpiry: points live longer, through the ledger.

use ambient::Time;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Written};
use tonic::{Request, Status};

use super::Api;
use super::refusal::{DOMAIN, problem};
use super::wire::{balance_after, read_token, time, uuid};
use crate::domain::{Command, ExtendExpiry};
use crate::ledger::{Answered, Asked};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ExtendExpiryRequest>,
) -> Result<pb::ExtendExpiryResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
    let expiring_before = time(message.expiring_before, &Path::ROOT, "expiring_before", &mut found);
    let expire_time = time(message.expire_time, &Path::ROOT, "expire_time", &mut found);
    found.into_result(DOMAIN)?;
    // Required, so both are there.
    let (expiring_before, expire_time) =
        (expiring_before.unwrap_or(Time::MIN), expire_time.unwrap_or(Time::MIN));
    let currency = message.currency_code.clone();
    let command = Command::ExtendExpiry(ExtendExpiry { currency, expiring_before, expire_time });
    let call = Asked { call: caller.call(DOMAIN, "ExtendExpiry", request_id, &message), encode };
    let submitted = api.submit(&caller, member_id, command, call).await;
    let (response, replayed): (pb::ExtendExpiryResponse, bool) = submitted?;
    Ok(pb::ExtendExpiryResponse { replayed, ..response })
}

fn encode(answered: &Answered<'_>) -> Written {
    let reply = match answered.answer {
        Ok(reply) => reply,
        Err(refusal) => return Written::refused(&problem(refusal)),
    };
    Written::done(&pb::ExtendExpiryResponse {
        points_extended: reply.points().values().sum(),
        balance: Some(balance_after(answered)),
        read_token: read_token(answered.wallet.id, answered.wallet.version),
        replayed: false,
    })
}
