//! Changes of tiers, as they were announced.

use ambient::Time;
use db::Owner;

use super::entity::tier_change;
use crate::domain::Event;

/// A change of a tier with its place in the history of the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierChange {
    /// The number of its event.
    pub event_seq: i64,
    /// The order key of its event.
    pub order_key: i64,
    /// What changed, an [`Event::TierChanged`].
    pub event: Event,
}

/// The row of a change that a decision of the moment `create_time` announced; none for another event.
pub(super) fn row(
    owner: &Owner,
    create_time: Time,
    (event_seq, order_key): (i64, i64),
    event: &Event,
) -> Option<tier_change::Model> {
    let Event::TierChanged { from_tier_id, to_tier_id, from_rank, to_rank, effective_time } = event else {
        return None;
    };
    Some(tier_change::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        wallet_id: owner.id(),
        event_seq,
        from_tier_id: from_tier_id.clone(),
        to_tier_id: to_tier_id.clone(),
        from_rank: i32::try_from(*from_rank).unwrap_or(i32::MAX),
        to_rank: i32::try_from(*to_rank).unwrap_or(i32::MAX),
        effective_time: effective_time.micros(),
        create_time: create_time.micros(),
        order_key,
    })
}

pub(super) fn domain(row: tier_change::Model) -> TierChange {
    let event = Event::TierChanged {
        from_tier_id: row.from_tier_id,
        to_tier_id: row.to_tier_id,
        from_rank: u32::try_from(row.from_rank).unwrap_or(0),
        to_rank: u32::try_from(row.to_rank).unwrap_or(0),
        effective_time: Time::from_micros(row.effective_time),
    };
    TierChange { event_seq: row.event_seq, order_key: row.order_key, event }
}
