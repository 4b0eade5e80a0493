//! Points of returns that were gone when these were made: they are taken of points that come back.

use db::schema::index;
use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct TakeWhatComesBack;

impl MigrationName for TakeWhatComesBack {
    fn name(&self) -> &str {
        "m0027_loyalty_take_what_comes_back"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for TakeWhatComesBack {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        const OUTSTANDING: &str = "ALTER TABLE activity ADD COLUMN outstanding TEXT NOT NULL DEFAULT ''";
        manager.get_connection().execute_unprepared(OUTSTANDING).await?;
        // SQLite without statistics prefers the primary key to an index that begins like it.
        let by_wallet = &["wallet_id", "tenant_id", "bucket"];
        index(manager, ("activity_owing", "activity"), by_wallet, false, Some("outstanding <> ''")).await
    }
}
