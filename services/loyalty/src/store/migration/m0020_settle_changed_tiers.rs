//! Programs say since when other tiers hold that no worker went through yet; redemptions name their currency
//! and its purse.

use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct SettleChangedTiers;

impl MigrationName for SettleChangedTiers {
    fn name(&self) -> &str {
        "m0020_loyalty_settle_changed_tiers"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SettleChangedTiers {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for sql in [
            "ALTER TABLE program ADD COLUMN tiers_due BIGINT NOT NULL DEFAULT 9223372036854775807",
            "UPDATE program SET tiers_due = 0 WHERE tiers_before <> '[]'",
            "UPDATE redemption SET currency = COALESCE((SELECT p.point_code FROM program p \
             WHERE p.tenant_id = redemption.tenant_id AND p.program_id = redemption.program_id), '') \
             WHERE currency = ''",
            "ALTER TABLE redemption ADD COLUMN purse INTEGER NOT NULL DEFAULT 0",
            "UPDATE redemption SET purse = COALESCE((SELECT MAX(p.purse) FROM posting p \
             WHERE p.bucket = redemption.bucket AND p.tenant_id = redemption.tenant_id \
             AND p.redemption_id = redemption.redemption_id), 0) WHERE currency <> (SELECT g.point_code \
             FROM program g WHERE g.tenant_id = redemption.tenant_id \
             AND g.program_id = redemption.program_id)",
        ] {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
