//! Points of several currencies in one wallet, credits for tiers that rules grant, and tiers that change.

use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct CountInSeveralCurrencies;

impl MigrationName for CountInSeveralCurrencies {
    fn name(&self) -> &str {
        "m0019_loyalty_count_in_several_currencies"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CountInSeveralCurrencies {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for sql in [
            "ALTER TABLE program ADD COLUMN further TEXT NOT NULL DEFAULT '[]'",
            "ALTER TABLE program ADD COLUMN tiers_before TEXT NOT NULL DEFAULT '[]'",
            // Of further currencies; that of the main one is the row itself.
            "ALTER TABLE wallet ADD COLUMN purses TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE lot ADD COLUMN purse INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE posting ADD COLUMN purse INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE redemption ADD COLUMN currency TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE reward ADD COLUMN currency TEXT NOT NULL DEFAULT ''",
            // What was earned of further currencies; that of the main one is the row itself.
            "ALTER TABLE activity ADD COLUMN earned TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE activity ADD COLUMN credits BIGINT NOT NULL DEFAULT 0",
            "DROP INDEX lot_open",
            "CREATE INDEX lot_open ON lot (bucket, tenant_id, wallet_id, purse, expire_time, lot_number) \
             WHERE open = 1 AND pending = 0",
        ] {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
