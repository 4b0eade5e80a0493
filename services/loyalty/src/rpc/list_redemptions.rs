//! ListRedemptions: the redemptions of a wallet, last made first.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::call::told;
use super::redemption_wire::redemption_message;
use super::wire::only_id;
use crate::domain::RedemptionState;
use crate::store::redemptions::{self, Filter};

const METHOD: &str = "ListRedemptions";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListRedemptionsRequest>,
) -> Result<pb::ListRedemptionsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let member_id = only_id(&message.member_id, "member_id")?;
    let filter = filter(message.state());
    let bound = format!("{} {}", message.member_id, message.state);
    let list = caller.list(&api.pages, METHOD, &bound, message.page_size)?;
    let cursor = list.open(&message.page_token)?;
    let before = cursor.and_then(|bytes| Uuid::from_slice(&bytes).ok()).unwrap_or(Uuid::max());
    let (owner, _, _) = api.settled(&caller, member_id).await?;
    let db = api.db.reader();
    let found = redemptions::page(db, &owner, filter, before, list.limit()).await;
    let mut found = found.map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut found, |_| 0, |one| one.id.as_bytes().to_vec());
    let redemptions = found.iter().map(redemption_message).collect();
    Ok(pb::ListRedemptionsResponse { redemptions, next_page_token })
}

fn filter(state: pb::RedemptionState) -> Filter {
    match state {
        pb::RedemptionState::Unspecified => Filter::All,
        pb::RedemptionState::Captured => Filter::State(RedemptionState::Captured),
        pb::RedemptionState::Held => Filter::State(RedemptionState::Held),
        pb::RedemptionState::Voided => Filter::State(RedemptionState::Voided),
        pb::RedemptionState::Expired => Filter::State(RedemptionState::Expired),
        pb::RedemptionState::PartiallyRefunded => Filter::Refunded { whole: false },
        pb::RedemptionState::Refunded => Filter::Refunded { whole: true },
    }
}
