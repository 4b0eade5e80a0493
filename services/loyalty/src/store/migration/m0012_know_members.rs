//! Members with profiles that they are found by, and with states that let them act or not.

use db::schema::Kind::{Int, Text, Uuid};
use db::schema::{NewTable, create, index};
use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct KnowMembers;

impl MigrationName for KnowMembers {
    fn name(&self) -> &str {
        "m0012_loyalty_know_members"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for KnowMembers {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let key = NewTable {
            name: "member_key",
            columns: &[
                ("tenant_id", Text),
                ("program_id", Text),
                ("kind", Int),
                ("value", Text),
                ("member_id", Uuid),
            ],
            key: 5,
            checks: &[],
            updated: false,
        };
        create(manager, key).await?;
        index(manager, ("member_key_of", "member_key"), &["tenant_id", "member_id"], false, None).await?;
        let db = manager.get_connection();
        for sql in [
            "ALTER TABLE member ADD COLUMN profile TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE member ADD COLUMN version BIGINT NOT NULL DEFAULT 1",
            "ALTER TABLE member ADD COLUMN update_time BIGINT NOT NULL DEFAULT 0",
            "ALTER TABLE member ADD COLUMN enroll_request_id TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE wallet ADD COLUMN state INTEGER NOT NULL DEFAULT 1",
            "UPDATE member SET update_time = create_time",
        ] {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
