//! Transfers: what wallets received from others, and where postings and lots came from or went to.

use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct TransferPoints;

impl MigrationName for TransferPoints {
    fn name(&self) -> &str {
        "m0013_loyalty_transfer_points"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for TransferPoints {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared("ALTER TABLE wallet ADD COLUMN transferred BIGINT NOT NULL DEFAULT 0").await?;
        let (kind, nil) = match db.get_database_backend() {
            DbBackend::Sqlite => ("uuid_text", "x'00000000000000000000000000000000'"),
            _ => ("uuid", "'00000000-0000-0000-0000-000000000000'"),
        };
        for (table, column) in [("posting", "other_wallet_id"), ("lot", "origin_wallet_id")] {
            let sql = format!("ALTER TABLE {table} ADD COLUMN {column} {kind} NOT NULL DEFAULT {nil}");
            db.execute_unprepared(&sql).await?;
        }
        Ok(())
    }
}
