//! RewardRedeemed of loyalty: points were spent on a reward.

use proto::rapport::loyalty::v1 as pb;

use crate::domain::Occurrence;
use events::payload::{message, positive, text, uuid};

pub(super) const KIND: &str = "rapport.loyalty.v1.RewardRedeemed";

pub(super) fn decode(payload: &[u8]) -> Result<Occurrence, String> {
    let event: pb::RewardRedeemed = message(payload)?;
    Ok(Occurrence::RewardRedeemed {
        member_id: uuid(&event.member_id, "member_id")?,
        reward_id: text(event.reward_id, "reward_id")?,
        quantity: positive(event.quantity, "quantity")?,
        points: positive(event.points, "points")?,
        available: event.available,
        currency: event.currency_code,
    })
}
