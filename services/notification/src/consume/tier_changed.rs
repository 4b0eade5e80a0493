//! TierChanged of loyalty: a wallet has another tier than before.

use proto::rapport::loyalty::v1 as pb;

use crate::domain::Occurrence;
use events::payload::{message, text, uuid};

pub(super) const KIND: &str = "rapport.loyalty.v1.TierChanged";

pub(super) fn decode(payload: &[u8]) -> Result<Occurrence, String> {
    let event: pb::TierChanged = message(payload)?;
    Ok(Occurrence::TierChanged {
        wallet_id: uuid(&event.wallet_id, "wallet_id")?,
        // Empty where there was no tier before.
        from_tier_id: event.from_tier_id,
        to_tier_id: text(event.to_tier_id, "to_tier_id")?,
        from_rank: event.from_rank,
        to_rank: event.to_rank,
    })
}
