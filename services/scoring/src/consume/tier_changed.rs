//! TierChanged of loyalty: a wallet has another tier than before.

use proto::rapport::loyalty::v1 as pb;

use super::fact::Facts;
use crate::domain::What;
use events::payload::{message, time, uuid};

pub(super) const KIND: &str = "rapport.loyalty.v1.TierChanged";

/// A wallet that is not shared has the id of its member, so the wallet's tier is the customer's. A shared
/// wallet has a profile of its own.
pub(super) fn decode(payload: &[u8]) -> Result<Facts, String> {
    let event: pb::TierChanged = message(payload)?;
    let wallet_id = uuid(&event.wallet_id, "wallet_id")?;
    let effective_time = time(event.effective_time, "effective_time")?;
    let what = What::TierChanged { tier_id: event.to_tier_id, rank: event.to_rank };
    Ok(Facts::of(wallet_id, effective_time, what))
}
