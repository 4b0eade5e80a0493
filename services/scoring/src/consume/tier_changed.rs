//! TierChanged of loyalty: a wallet has another tier than before.

use events::Received;
use proto::rapport::loyalty::v1 as pb;
use uuid::Uuid;

use super::fact::Facts;
use crate::domain::What;
use events::payload::{message, time, uuid};

pub(super) const KIND: &str = "rapport.loyalty.v1.TierChanged";

/// A change is known by its number in the history of the wallet. A wallet that is not shared has the id of
/// its member, so the wallet's tier is the customer's; a shared wallet has a profile of its own.
pub(super) fn decode(event: &Received) -> Result<Facts, String> {
    let changed: pb::TierChanged = message(&event.payload)?;
    let wallet_id = uuid(&changed.wallet_id, "wallet_id")?;
    let effective_time = time(changed.effective_time, "effective_time")?;
    let what = What::TierChanged { tier_id: changed.to_tier_id, rank: changed.to_rank };
    let id = Uuid::new_v5(&wallet_id, format!("tier/{}", event.aggregate_seq).as_bytes());
    Ok(Facts::of(id, wallet_id, effective_time, what))
}
