//! GetRedemption: one redemption of a member, as a receipt.

use std::collections::BTreeMap;

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::redemption_wire::{lot_message, redemption_message, step_message};
use super::refusal::{DOMAIN, redemption_not_found};
use super::wire::uuid;
use crate::store::{Owner, lots, redemptions};

/// Lots that a receipt names at most.
const LOTS_MAX: usize = 1_000;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetRedemptionRequest>,
) -> Result<pb::GetRedemptionResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
    let redemption_id = uuid(&message.redemption_id, &Path::ROOT, "redemption_id", &mut found);
    found.into_result(DOMAIN)?;
    let (owner, _, _) = api.settled(&caller, member_id).await?;
    let (db, key) = (api.db.reader(), (owner.clone(), redemption_id));
    let mut known = redemptions::find(db, std::slice::from_ref(&key)).await.map_err(|e| told(&e))?;
    let missing = || redemption_not_found(&message.redemption_id);
    let redemption = known.remove(&key).ok_or_else(missing)?;
    let steps = redemptions::steps(db, &owner, redemption_id).await.map_err(|e| told(&e))?;
    let at = redemption.lots_wallet_id.map_or(owner.clone(), |id| Owner::new(owner.tenant(), id));
    let taken: BTreeMap<i64, i64> = redemption.lots.iter().take(LOTS_MAX).copied().collect();
    let numbers = taken.keys().copied().collect();
    let lots = lots::numbered(db, &at, numbers).await.map_err(|e| told(&e))?;
    let lots: BTreeMap<i64, _> = lots.into_iter().map(|lot| (lot.key.number, lot)).collect();
    let lots = redemption
        .lots
        .iter()
        .filter_map(|(number, points)| lots.get(number).map(|lot| lot_message(&at, lot, *points)));
    Ok(pb::GetRedemptionResponse {
        redemption: Some(redemption_message(&redemption)),
        lots: lots.collect(),
        steps: steps.iter().map(step_message).collect(),
    })
}
