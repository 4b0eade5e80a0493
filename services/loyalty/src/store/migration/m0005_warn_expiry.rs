//! When a wallet's owner is next to be warned that points expire.

use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct WarnExpiry;

impl MigrationName for WarnExpiry {
    fn name(&self) -> &str {
        "m0005_loyalty_warn_expiry"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for WarnExpiry {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for sql in [
            "ALTER TABLE wallet ADD COLUMN warned_until BIGINT NOT NULL DEFAULT 0",
            "ALTER TABLE wallet ADD COLUMN next_warn BIGINT NOT NULL DEFAULT 9223372036854775807",
            // Wallets that have points to lose are warned a week ahead like new ones.
            "UPDATE wallet SET next_warn = next_expire - 604800000000 \
             WHERE next_expire < 9223372036854775807",
            "CREATE INDEX wallet_warn ON wallet (next_warn) WHERE next_warn < 9223372036854775807",
        ] {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
