//! A change of a wallet's tier; never changed itself.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tier_change")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub event_seq: i64,
    pub from_tier_id: String,
    pub to_tier_id: String,
    pub from_rank: i32,
    pub to_rank: i32,
    pub effective_time: i64,
    pub create_time: i64,
    pub order_key: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
