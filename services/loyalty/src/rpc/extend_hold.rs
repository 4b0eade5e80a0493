//! ExtendHold: a hold lasts longer.

use proto::Path;
use proto::rapport::loyalty::v1 as pb;
use requests::{Caller, Written};
use tonic::{Request, Status};

use super::Api;
use super::redemption_wire::{Answer, written};
use super::wire::uuid;
use crate::domain::{Command, ExtendHold};
use crate::ledger::Answered;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ExtendHoldRequest>,
) -> Result<pb::ExtendHoldResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let ids = (message.request_id.as_str(), message.member_id.as_str());
    let submitted = api.submit_about(
        (caller, &message, "ExtendHold"),
        ids,
        |_, found| {
            let redemption_id = uuid(&message.redemption_id, &Path::ROOT, "redemption_id", found);
            let hold_seconds = Some(message.hold_seconds).filter(|seconds| *seconds > 0);
            Command::ExtendHold(ExtendHold { redemption_id, hold_seconds })
        },
        encode,
    );
    let (response, replayed): (pb::ExtendHoldResponse, bool) = submitted.await?;
    Ok(pb::ExtendHoldResponse { replayed, ..response })
}

fn encode(answered: &Answered<'_>) -> Written {
    written(answered, |Answer { redemption, balance, read_token, .. }| pb::ExtendHoldResponse {
        redemption,
        balance,
        read_token,
        replayed: false,
    })
}
