//! Activities with what rules saw of their members.

use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct PinMembers;

impl MigrationName for PinMembers {
    fn name(&self) -> &str {
        "m0017_loyalty_pin_members"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for PinMembers {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = "ALTER TABLE activity ADD COLUMN member TEXT NOT NULL DEFAULT ''";
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }
}
