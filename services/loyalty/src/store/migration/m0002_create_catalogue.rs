//! Programs, rewards and members.

use db::schema::Kind::{Big, Bool, Int, Text, Uuid};
use db::schema::{NewTable, create, index};
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct CreateCatalogue;

impl MigrationName for CreateCatalogue {
    fn name(&self) -> &str {
        "m0002_loyalty_create_catalogue"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateCatalogue {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, requests::secrets_table()).await?;
        let program = NewTable {
            name: "program",
            columns: &[
                ("tenant_id", Text),
                ("program_id", Text),
                ("display_name", Text),
                ("time_zone", Text),
                ("money_currency", Text),
                ("point_code", Text),
                ("point_name", Text),
                ("rule_points", Big),
                ("rule_per_micros", Big),
                ("rule_version", Big),
                ("expiry_kind", Int),
                ("expiry_count", Int),
                ("tiers", Text),
                ("version", Big),
                ("create_time", Big),
            ],
            key: 2,
            checks: &[],
            updated: false,
        };
        create(manager, program).await?;
        let reward = NewTable {
            name: "reward",
            columns: &[
                ("tenant_id", Text),
                ("program_id", Text),
                ("reward_id", Text),
                ("display_name", Text),
                ("price_points", Big),
                ("counted", Bool),
                ("version", Big),
                ("create_time", Big),
            ],
            key: 3,
            checks: &["price_points > 0"],
            updated: false,
        };
        create(manager, reward).await?;
        let stock = NewTable {
            name: "reward_stock",
            columns: &[
                ("tenant_id", Text),
                ("program_id", Text),
                ("reward_id", Text),
                ("added", Big),
                ("remaining", Big),
            ],
            key: 3,
            checks: &["remaining >= 0 AND remaining <= added"],
            updated: true,
        };
        create(manager, stock).await?;
        let member = NewTable {
            name: "member",
            columns: &[
                ("bucket", Int),
                ("tenant_id", Text),
                ("member_id", Uuid),
                ("program_id", Text),
                ("external_id", Text),
                ("wallet_id", Uuid),
                ("state", Int),
                ("create_time", Big),
            ],
            key: 3,
            checks: &[],
            updated: false,
        };
        create(manager, member).await?;
        let external = ["tenant_id", "program_id", "external_id"];
        index(manager, ("member_external_id", "member"), &external, true, None).await?;
        let listed = ["tenant_id", "program_id", "member_id"];
        index(manager, ("member_of_program", "member"), &listed, false, None).await
    }
}
