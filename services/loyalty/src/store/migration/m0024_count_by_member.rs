//! What counts for caps and limits of a wallet is kept by the member in whose name it was counted.

use db::schema::Kind::{Big, Int, Text, Uuid};
use db::schema::{NewTable, create};
use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct CountByMember;

impl MigrationName for CountByMember {
    fn name(&self) -> &str {
        "m0024_loyalty_count_by_member"
    }
}

/// What was counted before a member left its own wallet was added to the other one: it is the member's there.
const BROUGHT: &str = "INSERT INTO member_counter (bucket, tenant_id, wallet_id, name, period_start, \
     member_id, points) \
     SELECT w.bucket, w.tenant_id, w.wallet_id, c.name, c.period_start, c.wallet_id, c.points \
     FROM wallet_counter c JOIN member m ON m.bucket = c.bucket AND m.tenant_id = c.tenant_id \
     AND m.member_id = c.wallet_id JOIN wallet w ON w.tenant_id = m.tenant_id AND w.wallet_id = m.wallet_id \
     WHERE m.wallet_id <> m.member_id";

/// The rest of what a wallet counted is its own.
const OWN: &str = "INSERT INTO member_counter (bucket, tenant_id, wallet_id, name, period_start, member_id, \
     points) SELECT c.bucket, c.tenant_id, c.wallet_id, c.name, c.period_start, c.wallet_id, \
     CASE WHEN c.points > COALESCE(b.points, 0) THEN c.points - COALESCE(b.points, 0) ELSE 0 END \
     FROM wallet_counter c JOIN wallet w ON w.bucket = c.bucket AND w.tenant_id = c.tenant_id \
     AND w.wallet_id = c.wallet_id LEFT JOIN (SELECT bucket, tenant_id, wallet_id, name, period_start, \
     CAST(SUM(points) AS BIGINT) AS points FROM member_counter \
     GROUP BY bucket, tenant_id, wallet_id, name, period_start) b ON b.bucket = c.bucket \
     AND b.tenant_id = c.tenant_id AND b.wallet_id = c.wallet_id AND b.name = c.name \
     AND b.period_start = c.period_start WHERE w.moved_to = NIL";

#[async_trait::async_trait]
impl MigrationTrait for CountByMember {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let by_member = NewTable {
            name: "member_counter",
            columns: &[
                ("bucket", Int),
                ("tenant_id", Text),
                ("wallet_id", Uuid),
                ("name", Text),
                ("period_start", Int),
                ("member_id", Uuid),
                ("points", Big),
            ],
            key: 6,
            checks: &["points >= 0"],
            updated: true,
        };
        create(manager, by_member).await?;
        let db = manager.get_connection();
        let nil = match db.get_database_backend() {
            DbBackend::Sqlite => "x'00000000000000000000000000000000'",
            _ => "'00000000-0000-0000-0000-000000000000'",
        };
        for sql in [BROUGHT, &OWN.replace("NIL", nil), "DROP TABLE wallet_counter"] {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
