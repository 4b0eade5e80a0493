//! Watermark rows: how far the events of the feedback service are in.

use db::sea_orm::{ConnectionTrait, EntityTrait};
use db::{Tenant, Tx};

use super::entity::watermark;

/// The greatest order key of a tenant's feedback that was applied, in microseconds since 1970; none if there
/// is none.
///
/// # Errors
/// That the database refused.
pub async fn find(db: &impl ConnectionTrait, tenant: &Tenant) -> Result<Option<i64>, db::Error> {
    let row = watermark::Entity::find_by_id(tenant.id().to_owned()).one(db).await?;
    Ok(row.map(|row| row.order_key))
}

/// Moves watermarks forward, never back; each tenant once, sorted.
///
/// # Errors
/// That the database refused.
pub async fn advance(tx: &Tx, reached: impl Iterator<Item = (Tenant, i64)>) -> Result<(), db::Error> {
    const FORWARD: &str = "ON CONFLICT (tenant_id) DO UPDATE SET order_key = CASE \
        WHEN excluded.order_key > watermark.order_key THEN excluded.order_key ELSE watermark.order_key END";
    let row = |(tenant, order_key): (Tenant, i64)| watermark::Model {
        tenant_id: tenant.id().to_owned(),
        order_key,
    };
    let rows: Vec<_> = reached.map(row).collect();
    db::bulk_upsert::<watermark::Entity>(tx, &rows, FORWARD).await
}
