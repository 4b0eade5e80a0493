//! VoidRedemption: what is held is given back.

use proto::Path;
use proto::rapport::loyalty::v1 as pb;
use requests::{Caller, Written};
use tonic::{Request, Status};

use super::Api;
use super::redemption_wire::{Answer, written};
use super::wire::uuid;
use crate::domain::{Command, VoidRedemption};
use crate::ledger::Answered;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::VoidRedemptionRequest>,
) -> Result<pb::VoidRedemptionResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let ids = (message.request_id.as_str(), message.member_id.as_str());
    let submitted = api.submit_about(
        (caller, &message, "VoidRedemption"),
        ids,
        |_, found| {
            let redemption_id = uuid(&message.redemption_id, &Path::ROOT, "redemption_id", found);
            Command::VoidRedemption(VoidRedemption { redemption_id, note: message.reason.clone() })
        },
        encode,
    );
    let (response, replayed): (pb::VoidRedemptionResponse, bool) = submitted.await?;
    Ok(pb::VoidRedemptionResponse { replayed, ..response })
}

fn encode(answered: &Answered<'_>) -> Written {
    written(answered, |Answer { redemption, balance, read_token, .. }| pb::VoidRedemptionResponse {
        redemption,
        balance,
        read_token,
        replayed: false,
    })
}
