//! Activities with the units of their line items that count for tiers.

use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct CountUnits;

impl MigrationName for CountUnits {
    fn name(&self) -> &str {
        "m0014_loyalty_count_units"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CountUnits {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // No program counts units yet: those of activities of before are never asked for.
        let sql = "ALTER TABLE activity ADD COLUMN units BIGINT NOT NULL DEFAULT 0";
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }
}
