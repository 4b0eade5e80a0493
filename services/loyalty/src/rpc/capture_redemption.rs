//! CaptureRedemption: what is held is spent, all of it or in part.

use proto::Path;
use proto::rapport::loyalty::v1 as pb;
use requests::{Caller, Written};
use tonic::{Request, Status};

use super::Api;
use super::redemption_wire::{Answer, portion, written};
use super::wire::uuid;
use crate::domain::{CaptureRedemption, Command};
use crate::ledger::Answered;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::CaptureRedemptionRequest>,
) -> Result<pb::CaptureRedemptionResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let ids = (message.request_id.as_str(), message.member_id.as_str());
    let submitted = api.submit_about(
        (caller, &message, "CaptureRedemption"),
        ids,
        |_, found| {
            let redemption_id = uuid(&message.redemption_id, &Path::ROOT, "redemption_id", found);
            let portion = portion(message.portion);
            Command::CaptureRedemption(CaptureRedemption { redemption_id, portion })
        },
        encode,
    );
    let (response, replayed): (pb::CaptureRedemptionResponse, bool) = submitted.await?;
    Ok(pb::CaptureRedemptionResponse { replayed, ..response })
}

fn encode(answered: &Answered<'_>) -> Written {
    written(answered, |Answer { redemption, balance, read_token, .. }| pb::CaptureRedemptionResponse {
        redemption,
        balance,
        read_token,
        replayed: false,
    })
}
