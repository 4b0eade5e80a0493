//! Rule sets, what they counted, and what each activity was granted by.

use db::schema::Kind::{Big, Int, Text, Uuid};
use db::schema::{NewTable, create};
use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct CreateRules;

impl MigrationName for CreateRules {
    fn name(&self) -> &str {
        "m0009_loyalty_create_rules"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateRules {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let rule_set = NewTable {
            name: "rule_set",
            columns: &[
                ("tenant_id", Text),
                ("program_id", Text),
                ("version", Big),
                ("display_name", Text),
                ("active", Int),
                ("start_time", Big),
                ("end_time", Big),
                ("content", Text),
                ("create_time", Big),
            ],
            key: 3,
            checks: &["start_time <= end_time"],
            updated: false,
        };
        create(manager, rule_set).await?;
        let of_wallet = NewTable {
            name: "wallet_counter",
            columns: &[
                ("bucket", Int),
                ("tenant_id", Text),
                ("wallet_id", Uuid),
                ("name", Text),
                ("period_start", Int),
                ("points", Big),
            ],
            key: 5,
            checks: &["points >= 0"],
            updated: true,
        };
        create(manager, of_wallet).await?;
        let of_program = NewTable {
            name: "program_counter",
            columns: &[
                ("tenant_id", Text),
                ("program_id", Text),
                ("name", Text),
                ("period_start", Int),
                ("points", Big),
            ],
            key: 4,
            checks: &["points >= 0"],
            updated: true,
        };
        create(manager, of_program).await?;
        let db = manager.get_connection();
        for sql in [
            "ALTER TABLE activity ADD COLUMN detail TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE activity ADD COLUMN rule_version BIGINT NOT NULL DEFAULT 1",
            "ALTER TABLE activity ADD COLUMN tier_rank INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE activity ADD COLUMN room TEXT NOT NULL DEFAULT ''",
        ] {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
