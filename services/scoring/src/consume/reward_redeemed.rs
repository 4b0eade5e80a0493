//! RewardRedeemed of loyalty: points were spent on a reward.

use ambient::Time;
use events::Received;
use proto::rapport::loyalty::v1 as pb;

use super::fact::Facts;
use crate::domain::What;
use events::payload::{message, positive, text, time, uuid};

pub(super) const KIND: &str = "rapport.loyalty.v1.RewardRedeemed";

/// An event of an early version carries no time: its order key, machine time of the source, stands for it.
pub(super) fn decode(event: &Received) -> Result<Facts, String> {
    let redeemed: pb::RewardRedeemed = message(&event.payload)?;
    let member_id = uuid(&redeemed.member_id, "member_id")?;
    // Points of another currency are not so many points.
    let points = positive(redeemed.points, "points")?;
    let points = if redeemed.further_currency { 0 } else { points };
    let reward_id = text(redeemed.reward_id, "reward_id")?;
    let at = match redeemed.redeem_time {
        None => Time::from_micros(event.order_key),
        given => time(given, "redeem_time")?,
    };
    let redemption_id = uuid(&redeemed.redemption_id, "redemption_id")?;
    Ok(Facts::of(redemption_id, member_id, at, What::Redeemed { points, reward_id }))
}
