//! RefundRedemption: what was spent is given back, all of it or in part.

use proto::Path;
use proto::rapport::loyalty::v1 as pb;
use requests::{Caller, Written};
use tonic::{Request, Status};

use super::Api;
use super::redemption_wire::{portion, redemption_message};
use super::refusal::problem;
use super::wire::{balance_after, read_token, uuid};
use crate::domain::{Command, RefundRedemption, Reply};
use crate::ledger::Answered;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::RefundRedemptionRequest>,
) -> Result<pb::RefundRedemptionResponse, Status> {
    use pb::refund_redemption_request::Portion::{Points, Quantity};
    let (caller, message) = Caller::open(request)?;
    let ids = (message.request_id.as_str(), message.member_id.as_str());
    let submitted = api.submit_about(
        (caller, &message, "RefundRedemption"),
        ids,
        |_, found| {
            let redemption_id = uuid(&message.redemption_id, &Path::ROOT, "redemption_id", found);
            let portion = match message.portion {
                Some(Points(points)) => portion(Some(points), None),
                Some(Quantity(units)) => portion(None, Some(units)),
                None => portion(None, None),
            };
            let note = message.reason.clone();
            Command::RefundRedemption(RefundRedemption { redemption_id, portion, note })
        },
        encode,
    );
    let (response, replayed): (pb::RefundRedemptionResponse, bool) = submitted.await?;
    Ok(pb::RefundRedemptionResponse { replayed, ..response })
}

fn encode(answered: &Answered<'_>) -> Written {
    let reply = match answered.answer {
        Ok(reply) => reply,
        Err(refusal) => return Written::refused(&problem(refusal)),
    };
    let points_refunded = match reply {
        Reply::Refunded(_, points) => *points,
        _ => 0,
    };
    Written::done(&pb::RefundRedemptionResponse {
        redemption: reply.redemption().map(redemption_message),
        points_refunded,
        balance: Some(balance_after(answered)),
        read_token: read_token(answered.wallet.id, answered.wallet.version),
        replayed: false,
    })
}
