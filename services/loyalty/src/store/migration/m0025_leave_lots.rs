//! Lots that were left behind by members who moved, and those that continue lots of an activity.

use db::schema::index;
use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct LeaveLots;

impl MigrationName for LeaveLots {
    fn name(&self) -> &str {
        "m0025_loyalty_leave_lots"
    }
}

/// Lots of before members could move are in nobody's name: they are their owners'.
const LEFT: &str = "UPDATE lot SET left_behind = 1 FROM member m WHERE m.tenant_id = lot.tenant_id \
     AND m.member_id = CASE lot.member_id WHEN NIL THEN lot.wallet_id ELSE lot.member_id END \
     AND m.wallet_id <> lot.wallet_id";

#[async_trait::async_trait]
impl MigrationTrait for LeaveLots {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let nil = match db.get_database_backend() {
            DbBackend::Sqlite => "x'00000000000000000000000000000000'",
            _ => "'00000000-0000-0000-0000-000000000000'",
        };
        for sql in
            ["ALTER TABLE lot ADD COLUMN left_behind INTEGER NOT NULL DEFAULT 0", &LEFT.replace("NIL", nil)]
        {
            db.execute_unprepared(sql).await?;
        }
        let by_activity = &["bucket", "tenant_id", "wallet_id", "activity_id"];
        index(manager, ("lot_continued", "lot"), by_activity, false, Some("origin_lot > 0")).await
    }
}
