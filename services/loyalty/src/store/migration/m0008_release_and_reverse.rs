//! Points may be pending and activities taken back, so lots and activities know what became of them.

use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct ReleaseAndReverse;

impl MigrationName for ReleaseAndReverse {
    fn name(&self) -> &str {
        "m0008_loyalty_release_and_reverse"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for ReleaseAndReverse {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for sql in [
            "ALTER TABLE program ADD COLUMN release_kind INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE program ADD COLUMN release_days INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE program ADD COLUMN return_policy INTEGER NOT NULL DEFAULT 2",
            "ALTER TABLE wallet ADD COLUMN next_release BIGINT NOT NULL DEFAULT 9223372036854775807",
            "ALTER TABLE wallet ADD COLUMN waived BIGINT NOT NULL DEFAULT 0",
            "ALTER TABLE activity ADD COLUMN state INTEGER NOT NULL DEFAULT 1",
            "ALTER TABLE activity ADD COLUMN points_reversed BIGINT NOT NULL DEFAULT 0",
            "ALTER TABLE activity ADD COLUMN returned_micros BIGINT NOT NULL DEFAULT 0",
            "ALTER TABLE activity ADD COLUMN lot_first BIGINT NOT NULL DEFAULT 0",
            "ALTER TABLE activity ADD COLUMN lot_count BIGINT NOT NULL DEFAULT 0",
            "ALTER TABLE lot ADD COLUMN expired BIGINT NOT NULL DEFAULT 0",
            "UPDATE activity SET lot_first = l.lot_number, lot_count = 1 FROM lot l \
             WHERE l.bucket = activity.bucket AND l.tenant_id = activity.tenant_id \
             AND l.wallet_id = activity.wallet_id AND l.activity_id = activity.activity_id",
            "UPDATE lot SET expired = e.points FROM (SELECT a.bucket, a.tenant_id, a.wallet_id, \
               a.lot_number, CAST(SUM(a.points) AS BIGINT) AS points FROM allocation a JOIN posting p \
               ON p.bucket = a.bucket AND p.tenant_id = a.tenant_id AND p.wallet_id = a.wallet_id \
               AND p.seq = a.posting_seq WHERE p.reason = 2 \
               GROUP BY a.bucket, a.tenant_id, a.wallet_id, a.lot_number) e \
             WHERE e.bucket = lot.bucket AND e.tenant_id = lot.tenant_id AND e.wallet_id = lot.wallet_id \
             AND e.lot_number = lot.lot_number",
            "ALTER TABLE lot ADD COLUMN pending INTEGER NOT NULL DEFAULT 0",
            "DROP INDEX lot_open",
            "CREATE INDEX lot_open ON lot (bucket, tenant_id, wallet_id, expire_time, lot_number) \
             WHERE open = 1 AND pending = 0",
            "CREATE INDEX lot_pending ON lot (bucket, tenant_id, wallet_id, activate_time, lot_number) \
             WHERE open = 1 AND pending = 1",
        ] {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
