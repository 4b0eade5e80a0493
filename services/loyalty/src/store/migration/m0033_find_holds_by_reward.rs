//! Holds that are over are found by the reward whose units they keep.

use db::schema::index;
use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub(super) struct FindHoldsByReward;

impl MigrationName for FindHoldsByReward {
    fn name(&self) -> &str {
        "m0033_loyalty_find_holds_by_reward"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for FindHoldsByReward {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let by_reward = &["tenant_id", "program_id", "reward_id", "hold_expire_time"];
        index(manager, ("redemption_held_units", "redemption"), by_reward, false, Some("state = 2")).await
    }
}
