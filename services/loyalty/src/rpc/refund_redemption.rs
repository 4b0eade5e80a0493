//! RefundRedemption: what was spent is given back, all of it or in part.

use proto::Path;
use proto::rapport::loyalty::v1 as pb;
use requests::{Caller, Written};
use tonic::{Request, Status};

use super::Api;
use super::redemption_wire::{Answer, portion, written};
use super::wire::uuid;
use crate::domain::{Command, RefundRedemption};
use crate::ledger::Answered;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::RefundRedemptionRequest>,
) -> Result<pb::RefundRedemptionResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let ids = (message.request_id.as_str(), message.member_id.as_str());
    let submitted = api.submit_about(
        (caller, &message, "RefundRedemption"),
        ids,
        |_, found| {
            let redemption_id = uuid(&message.redemption_id, &Path::ROOT, "redemption_id", found);
            let portion = portion(message.portion);
            let note = message.reason.clone();
            Command::RefundRedemption(RefundRedemption { redemption_id, portion, note })
        },
        encode,
    );
    let (response, replayed): (pb::RefundRedemptionResponse, bool) = submitted.await?;
    Ok(pb::RefundRedemptionResponse { replayed, ..response })
}

fn encode(answered: &Answered<'_>) -> Written {
    written(answered, |Answer { redemption, points_refunded, balance, read_token }| {
        pb::RefundRedemptionResponse { redemption, points_refunded, balance, read_token, replayed: false }
    })
}
