//! Limits of how much may move, and commands that wait for a review.

use db::schema::Kind::{Big, Int, Text, Uuid};
use db::schema::{NewTable, create, index};
use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct LimitVelocity;

impl MigrationName for LimitVelocity {
    fn name(&self) -> &str {
        "m0016_loyalty_limit_velocity"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for LimitVelocity {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let review = NewTable {
            name: "review",
            columns: &[
                ("bucket", Int),
                ("tenant_id", Text),
                ("wallet_id", Uuid),
                ("review_id", Uuid),
                ("program_id", Text),
                ("limit_id", Text),
                ("state", Int),
                ("create_time", Big),
                ("decide_time", Big),
                ("decided_by", Text),
                ("note", Text),
            ],
            key: 4,
            checks: &["state IN (1, 2, 3)"],
            updated: true,
        };
        create(manager, review).await?;
        let by = &["tenant_id", "program_id", "state", "create_time", "review_id"];
        index(manager, ("review_by_state", "review"), by, false, None).await?;
        let sql = "ALTER TABLE program ADD COLUMN velocity TEXT NOT NULL DEFAULT '[]'";
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }
}
