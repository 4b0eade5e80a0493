//! The tiers that wallets have had, as they became known.

use db::schema::Kind::{Big, Int, Text, Uuid};
use db::schema::{NewTable, create};
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct CreateTierChanges;

impl MigrationName for CreateTierChanges {
    fn name(&self) -> &str {
        "m0006_loyalty_create_tier_changes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateTierChanges {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tier_change = NewTable {
            name: "tier_change",
            columns: &[
                ("bucket", Int),
                ("tenant_id", Text),
                ("wallet_id", Uuid),
                ("event_seq", Big),
                ("from_tier_id", Text),
                ("to_tier_id", Text),
                ("from_rank", Int),
                ("to_rank", Int),
                ("effective_time", Big),
                ("create_time", Big),
                ("order_key", Big),
            ],
            key: 4,
            checks: &[],
            updated: false,
        };
        create(manager, tier_change).await
    }
}
