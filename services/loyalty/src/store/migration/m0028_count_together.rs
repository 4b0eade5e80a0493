//! What counts for caps and limits of activities in one name and period is one row, however many rules count.

use db::schema::Kind::{Int, Text, Uuid};
use db::schema::{NewTable, create};
use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct CountTogether;

impl MigrationName for CountTogether {
    fn name(&self) -> &str {
        "m0028_loyalty_count_together"
    }
}

const TOGETHER: &str = "INSERT INTO member_count (bucket, tenant_id, wallet_id, period_start, name, \
     member_id, counted) SELECT bucket, tenant_id, wallet_id, period_start, alone, member_id, OBJECT \
     FROM (SELECT c.*, CASE WHEN c.name LIKE 'reward:%' THEN c.name ELSE '' END AS alone \
     FROM member_counter c) t GROUP BY bucket, tenant_id, wallet_id, period_start, alone, member_id";

#[async_trait::async_trait]
impl MigrationTrait for CountTogether {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let by_period = NewTable {
            name: "member_count",
            columns: &[
                ("bucket", Int),
                ("tenant_id", Text),
                ("wallet_id", Uuid),
                ("period_start", Int),
                ("name", Text),
                ("member_id", Uuid),
                ("counted", Text),
            ],
            key: 6,
            checks: &[],
            updated: true,
        };
        create(manager, by_period).await?;
        let db = manager.get_connection();
        let object = match db.get_database_backend() {
            DbBackend::Sqlite => "json_group_object(name, points)",
            _ => "CAST(jsonb_object_agg(name, points) AS TEXT)",
        };
        for sql in [&TOGETHER.replace("OBJECT", object), "DROP TABLE member_counter"] {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
