//! Which lots there were when expiries were last announced.

use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct WarnOfWhatCameSince;

impl MigrationName for WarnOfWhatCameSince {
    fn name(&self) -> &str {
        "m0031_loyalty_warn_of_what_came_since"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for WarnOfWhatCameSince {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // What there is may have been announced.
        let sql = "ALTER TABLE wallet ADD COLUMN warned_lot BIGINT NOT NULL DEFAULT -1";
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }
}
