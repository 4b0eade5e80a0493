//! Whether everything is being made again: what was announced, and what has begun.

use db::schema::Kind::{Big, Bool, Int};
use db::schema::{NewTable, create};
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct CreateRebuild;

impl MigrationName for CreateRebuild {
    fn name(&self) -> &str {
        "m0004_scoring_create_rebuild"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateRebuild {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let rebuild = NewTable {
            name: "rebuild",
            columns: &[("id", Int), ("attempt", Big), ("running", Bool)],
            key: 1,
            checks: &["id = 1 OR id = 2"],
            updated: true,
        };
        create(manager, rebuild).await?;
        let rows = "INSERT INTO rebuild (id, attempt, running) VALUES (1, 0, FALSE), (2, 0, FALSE)";
        manager.get_connection().execute_unprepared(rows).await.map(|_| ())
    }
}
