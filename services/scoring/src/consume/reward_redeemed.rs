//! RewardRedeemed of loyalty: points were spent on a reward.

use ambient::Time;
use events::Received;
use proto::rapport::loyalty::v1 as pb;

use super::fact::Facts;
use crate::domain::What;
use events::payload::{message, positive, text, uuid};

pub(super) const KIND: &str = "rapport.loyalty.v1.RewardRedeemed";

/// The event carries no time of its own: its order key, machine time of the source, stands for it.
pub(super) fn decode(event: &Received) -> Result<Facts, String> {
    let redeemed: pb::RewardRedeemed = message(&event.payload)?;
    let member_id = uuid(&redeemed.member_id, "member_id")?;
    let points = positive(redeemed.points, "points")?;
    let reward_id = text(redeemed.reward_id, "reward_id")?;
    Ok(Facts::of(member_id, Time::from_micros(event.order_key), What::Redeemed { points, reward_id }))
}
