//! Rewards have terms, versions and pools of codes; redemptions keep what was agreed.

use db::schema::Kind::{Big, Text};
use db::schema::{NewTable, create, index};
use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct OfferRewards;

impl MigrationName for OfferRewards {
    fn name(&self) -> &str {
        "m0022_loyalty_offer_rewards"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for OfferRewards {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in [
            "ALTER TABLE reward ADD COLUMN supply INTEGER NOT NULL DEFAULT 0",
            "UPDATE reward SET supply = 1 WHERE counted",
            "ALTER TABLE reward DROP COLUMN counted",
            "ALTER TABLE reward ADD COLUMN detail TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE reward_stock ADD COLUMN codes_out BIGINT NOT NULL DEFAULT 0",
            "ALTER TABLE redemption ADD COLUMN detail TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE redemption RENAME COLUMN counted TO supply",
        ] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        let version = NewTable {
            name: "reward_version",
            columns: &[
                ("tenant_id", Text),
                ("program_id", Text),
                ("reward_id", Text),
                ("version", Big),
                ("display_name", Text),
                ("price_points", Big),
                ("currency", Text),
                ("detail", Text),
            ],
            key: 4,
            checks: &[],
            updated: false,
        };
        create(manager, version).await?;
        let code = NewTable {
            name: "reward_code",
            columns: &[
                ("tenant_id", Text),
                ("program_id", Text),
                ("reward_id", Text),
                ("seq", Big),
                ("code", Text),
            ],
            key: 4,
            checks: &["seq > 0"],
            updated: false,
        };
        create(manager, code).await?;
        let by_code = &["code", "tenant_id", "program_id", "reward_id"];
        index(manager, ("reward_code_by_code", "reward_code"), by_code, true, None).await
    }
}
