//! The tiers that wallets have had.

use std::collections::{BTreeSet, HashMap};

use ambient::Time;
use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{ConnectionTrait, DbErr, FromQueryResult, QueryResult};
use db::{Keyed, Owner, select_in};

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

struct RankRow {
    change: tier_change::Model,
    asked: i64,
}

impl FromQueryResult for RankRow {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<RankRow, DbErr> {
        let change = tier_change::Model::from_query_result(row, prefix)?;
        Ok(RankRow { change, asked: row.try_get(prefix, "asked")? })
    }
}

/// The ranks that wallets had at moments, as known now, each with its beginning; of a wallet whose tier had
/// not changed by then there is none.
///
/// # Errors
/// That the database refused.
pub async fn ranks_at(
    db: &impl ConnectionTrait,
    wanted: &BTreeSet<(Owner, Time)>,
) -> Result<HashMap<(Owner, Time), (Time, u32)>, db::Error> {
    let select = Keyed {
        table: "tier_change",
        on: &["bucket", "tenant_id", "wallet_id"],
        types: &[ArrayType::Int, ArrayType::String, ArrayType::Uuid, ArrayType::BigInt],
        filter: "t.effective_time <= k.c3",
        order: "t.effective_time DESC, t.event_seq DESC",
        first: Some(1),
        lock: false,
        more: ", k.c3 AS asked",
    };
    let keys: Vec<_> = wanted.iter().map(|(owner, at)| owner.key_with([at.micros().into()])).collect();
    let rows: Vec<RankRow> = select_in(db, select, &keys).await?;
    let found = rows.into_iter().map(|RankRow { change, asked }| {
        let owner = Owner::of_row(change.bucket, &change.tenant_id, change.wallet_id);
        let rank = u32::try_from(change.to_rank).unwrap_or(0);
        ((owner, Time::from_micros(asked)), (Time::from_micros(change.effective_time), rank))
    });
    Ok(found.collect())
}
