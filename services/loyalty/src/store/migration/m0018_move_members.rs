//! Members whose points are in the wallet of another member or of a household.

use db::schema::Kind::{Big, Int, Text, Uuid};
use db::schema::{NewTable, create, index};
use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct MoveMembers;

impl MigrationName for MoveMembers {
    fn name(&self) -> &str {
        "m0018_loyalty_move_members"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for MoveMembers {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let household = NewTable {
            name: "household",
            columns: &[
                ("bucket", Int),
                ("tenant_id", Text),
                ("household_id", Uuid),
                ("program_id", Text),
                ("display_name", Text),
                ("create_time", Big),
            ],
            key: 3,
            checks: &[],
            updated: false,
        };
        create(manager, household).await?;
        let by_program = &["tenant_id", "program_id", "household_id"];
        index(manager, ("household_by_program", "household"), by_program, true, None).await?;
        let db = manager.get_connection();
        let (kind, nil) = match db.get_database_backend() {
            DbBackend::Sqlite => ("uuid_text", "x'00000000000000000000000000000000'"),
            _ => ("uuid", "'00000000-0000-0000-0000-000000000000'"),
        };
        for sql in [
            &format!("ALTER TABLE wallet ADD COLUMN moved_to {kind} NOT NULL DEFAULT {nil}"),
            "ALTER TABLE wallet ADD COLUMN role INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE wallet ADD COLUMN shared INTEGER NOT NULL DEFAULT 0",
            &format!("ALTER TABLE lot ADD COLUMN member_id {kind} NOT NULL DEFAULT {nil}"),
            "ALTER TABLE activity ADD COLUMN expired_before BIGINT NOT NULL DEFAULT 0",
            &format!("ALTER TABLE member ADD COLUMN merged_into {kind} NOT NULL DEFAULT {nil}"),
            "ALTER TABLE member ADD COLUMN role INTEGER NOT NULL DEFAULT 0",
            "DROP INDEX activity_external_id",
        ] {
            db.execute_unprepared(sql).await?;
        }
        let moved = format!("moved_to <> {nil}");
        index(manager, ("wallet_moved_to", "wallet"), &["tenant_id", "moved_to"], false, Some(&moved))
            .await?;
        let shared = "wallet_id <> member_id";
        index(manager, ("member_elsewhere", "member"), &["tenant_id", "wallet_id"], false, Some(shared))
            .await?;
        let elsewhere = format!("actor_member_id <> wallet_id AND actor_member_id <> {nil}");
        let by_actor = &["tenant_id", "actor_member_id"];
        index(manager, ("posting_elsewhere", "posting"), by_actor, false, Some(&elsewhere)).await?;
        // Those whose points are in one wallet may have the same external ids each.
        let external = ["bucket", "tenant_id", "wallet_id", "external_id", "member_id"];
        index(manager, ("activity_external_id", "activity"), &external, true, Some("external_id <> ''")).await
    }
}
