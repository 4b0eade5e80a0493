//! Activities by their moments, found by statements that name moments and no others.

use db::schema::index;
use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct FindActivities;

impl MigrationName for FindActivities {
    fn name(&self) -> &str {
        "m0026_loyalty_find_activities"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for FindActivities {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP INDEX activity_occurred").await?;
        // True of every row, but PostgreSQL only knows it where a moment is asked for. Where wallets have an
        // activity or two, this index looked as good as the primary key for finding one by its id, and read
        // all activities of the wallet that has many.
        let asked = Some("occurred_time IS NOT NULL");
        let occurred = &["bucket", "tenant_id", "wallet_id", "occurred_time"];
        index(manager, ("activity_occurred", "activity"), occurred, false, asked).await
    }
}
