//! PointsExpiring of loyalty: points of a wallet will expire soon.

use proto::rapport::loyalty::v1 as pb;

use crate::domain::Occurrence;
use events::payload::{message, positive, time, uuid};

pub(super) const KIND: &str = "rapport.loyalty.v1.PointsExpiring";

pub(super) fn decode(payload: &[u8]) -> Result<Occurrence, String> {
    let event: pb::PointsExpiring = message(payload)?;
    Ok(Occurrence::PointsExpiring {
        wallet_id: uuid(&event.wallet_id, "wallet_id")?,
        points: positive(event.points, "points")?,
        first_expire_time: time(event.first_expire_time, "first_expire_time")?,
        last_expire_time: time(event.last_expire_time, "last_expire_time")?,
        available: event.available,
        currency: event.currency_code,
    })
}
