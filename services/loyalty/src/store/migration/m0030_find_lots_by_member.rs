//! Lots in wallets that members share are found by their members.

use db::schema::index;
use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct FindLotsByMember;

impl MigrationName for FindLotsByMember {
    fn name(&self) -> &str {
        "m0030_loyalty_find_lots_by_member"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for FindLotsByMember {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let nil = match manager.get_database_backend() {
            // SQLite uses the index only where a statement has the same letters.
            DbBackend::Sqlite => "x'00000000000000000000000000000000'",
            _ => "'00000000-0000-0000-0000-000000000000'",
        };
        let elsewhere = format!("member_id <> wallet_id AND member_id <> {nil}");
        let by_member = &["tenant_id", "member_id"];
        index(manager, ("lot_elsewhere", "lot"), by_member, false, Some(&elsewhere)).await
    }
}
