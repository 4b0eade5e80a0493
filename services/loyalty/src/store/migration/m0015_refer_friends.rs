//! Referrals, and the codes of the members who are there already.

use db::schema::Kind::{Big, Int, Text, Uuid};
use db::schema::{NewTable, create, index};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};
use sea_orm_migration::prelude::*;

use crate::domain::referral_code;

#[derive(Debug)]
pub(super) struct ReferFriends;

impl MigrationName for ReferFriends {
    fn name(&self) -> &str {
        "m0015_loyalty_refer_friends"
    }
}

#[derive(FromQueryResult)]
struct Member {
    tenant_id: String,
    program_id: String,
    member_id: uuid::Uuid,
}

/// Members read at a time.
const PAGE: i64 = 1_000;

#[async_trait::async_trait]
impl MigrationTrait for ReferFriends {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let referral = NewTable {
            name: "referral",
            columns: &[
                ("bucket", Int),
                ("tenant_id", Text),
                ("wallet_id", Uuid),
                ("referrer_id", Uuid),
                ("program_id", Text),
                ("state", Int),
                ("activity_id", Uuid),
                ("create_time", Big),
                ("due_time", Big),
            ],
            key: 3,
            checks: &["state IN (1, 2, 3)"],
            updated: true,
        };
        create(manager, referral).await?;
        index(manager, ("referral_due", "referral"), &["due_time"], false, Some("state = 2")).await?;
        index(manager, ("referral_by", "referral"), &["tenant_id", "referrer_id", "wallet_id"], true, None)
            .await?;
        let db = manager.get_connection();
        let (kind, nil) = match db.get_database_backend() {
            DbBackend::Sqlite => ("uuid_text", "x'00000000000000000000000000000000'"),
            _ => ("uuid", "'00000000-0000-0000-0000-000000000000'"),
        };
        for sql in [
            "ALTER TABLE wallet ADD COLUMN referred INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE program ADD COLUMN referral TEXT NOT NULL DEFAULT ''",
            &format!("ALTER TABLE member ADD COLUMN referred_by {kind} NOT NULL DEFAULT {nil}"),
        ] {
            db.execute_unprepared(sql).await?;
        }
        give_codes(db).await
    }
}

async fn give_codes(db: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    const READ: &str = "SELECT tenant_id, program_id, member_id FROM member WHERE state IN (1, 2) \
         AND member_id > $1 ORDER BY member_id LIMIT $2";
    const WRITE: &str = "INSERT INTO member_key (tenant_id, program_id, kind, value, member_id) \
         VALUES ($1, $2, 4, $3, $4)";
    let backend = db.get_database_backend();
    let mut after = uuid::Uuid::nil();
    loop {
        let read = Statement::from_sql_and_values(backend, READ, [after.into(), PAGE.into()]);
        let members = Member::find_by_statement(read).all(db).await?;
        let Some(last) = members.last() else { return Ok(()) };
        after = last.member_id;
        for Member { tenant_id, program_id, member_id } in members {
            let code = referral_code(member_id);
            let values = [tenant_id.into(), program_id.into(), code.into(), member_id.into()];
            db.execute_raw(Statement::from_sql_and_values(backend, WRITE, values)).await?;
        }
    }
}
