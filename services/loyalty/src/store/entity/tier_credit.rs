//! Credits that count for tiers, by local day.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tier_credit")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: i32,
    pub credits: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
