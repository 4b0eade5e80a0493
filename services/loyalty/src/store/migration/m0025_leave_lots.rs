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

/// Of members who are elsewhere. Lots of before members could move are in nobody's name: they are their
/// owners'.
const LEFT: &str = "UPDATE lot SET left_behind = 1 FROM member m WHERE m.tenant_id = lot.tenant_id \
     AND m.member_id = CASE lot.member_id WHEN NIL THEN lot.wallet_id ELSE lot.member_id END \
     AND m.wallet_id <> lot.wallet_id";

/// Of members who came back: what expired before they left was closed, and is no lot of its activity.
const CLOSED: &str = "UPDATE lot SET left_behind = 1 FROM activity a WHERE lot.returned = 1 \
     AND lot.expired > 0 AND lot.purse = 0 AND lot.left_behind = 0 AND a.bucket = lot.bucket \
     AND a.tenant_id = lot.tenant_id AND a.wallet_id = lot.wallet_id AND a.activity_id = lot.activity_id \
     AND (lot.lot_number < a.lot_first OR lot.lot_number >= a.lot_first + a.lot_count)";

#[async_trait::async_trait]
impl MigrationTrait for LeaveLots {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let nil = match db.get_database_backend() {
            DbBackend::Sqlite => "x'00000000000000000000000000000000'",
            _ => "'00000000-0000-0000-0000-000000000000'",
        };
        for sql in [
            "ALTER TABLE lot ADD COLUMN left_behind INTEGER NOT NULL DEFAULT 0",
            &LEFT.replace("NIL", nil),
            CLOSED,
        ] {
            db.execute_unprepared(sql).await?;
        }
        // SQLite without statistics prefers the primary key to an index that begins like it.
        let by_activity = &["activity_id", "wallet_id"];
        index(manager, ("lot_continued", "lot"), by_activity, false, Some("origin_lot > 0")).await
    }
}
