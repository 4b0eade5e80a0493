//! Redemption rows.

use ambient::Time;
use db::Owner;
use db::sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::entity::redemption;
use crate::domain::{Redemption, RedemptionState};

/// Finds one redemption of a wallet.
///
/// # Errors
/// That the database refused, or `Damaged` for a row in an unknown state.
pub async fn find(
    db: &impl ConnectionTrait,
    owner: &Owner,
    redemption_id: Uuid,
) -> Result<Option<Redemption>, db::Error> {
    let key = (owner.bucket(), owner.tenant().id().to_owned(), owner.id(), redemption_id);
    redemption::Entity::find_by_id(key).one(db).await?.map(domain).transpose()
}

/// One page of a wallet's redemptions with ids below `before`, last made first.
///
/// # Errors
/// As [`find`].
pub async fn page(
    db: &impl ConnectionTrait,
    owner: &Owner,
    before: Uuid,
    limit: u64,
) -> Result<Vec<Redemption>, db::Error> {
    let rows = redemption::Entity::find()
        .filter(redemption::Column::Bucket.eq(owner.bucket()))
        .filter(redemption::Column::TenantId.eq(owner.tenant().id()))
        .filter(redemption::Column::WalletId.eq(owner.id()))
        .filter(redemption::Column::RedemptionId.lt(before))
        .order_by_desc(redemption::Column::RedemptionId)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(domain).collect()
}

pub(super) fn domain(row: redemption::Model) -> Result<Redemption, db::Error> {
    let state = match row.state {
        n if n == RedemptionState::Captured as i32 => RedemptionState::Captured,
        n => return Err(db::Error::Damaged(format!("redemption {} is in state {n}", row.redemption_id))),
    };
    Ok(Redemption {
        id: row.redemption_id,
        member_id: row.member_id,
        program_id: row.program_id,
        reward_id: row.reward_id,
        reward_version: row.reward_version,
        quantity: row.quantity,
        points: row.points_captured,
        currency: row.currency,
        purse: u32::try_from(row.purse).unwrap_or(0),
        state,
        create_time: Time::from_micros(row.create_time),
    })
}

/// A redemption in one step held its points for no time at all.
pub(super) fn row(owner: &Owner, redemption: &Redemption) -> redemption::Model {
    redemption::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        wallet_id: owner.id(),
        redemption_id: redemption.id,
        member_id: redemption.member_id,
        program_id: redemption.program_id.clone(),
        reward_id: redemption.reward_id.clone(),
        reward_version: redemption.reward_version,
        quantity: redemption.quantity,
        state: redemption.state as i32,
        points_held: redemption.points,
        points_captured: redemption.points,
        points_refunded: 0,
        hold_expire_time: redemption.create_time.micros(),
        create_time: redemption.create_time.micros(),
        currency: redemption.currency.clone(),
        purse: i32::try_from(redemption.purse).unwrap_or(0),
    }
}
