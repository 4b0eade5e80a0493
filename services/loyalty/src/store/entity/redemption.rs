//! Points given for a reward.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "redemption")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub redemption_id: Uuid,
    pub member_id: Uuid,
    pub program_id: String,
    pub reward_id: String,
    pub reward_version: i64,
    pub quantity: i64,
    pub state: i32,
    pub points_held: i64,
    pub points_captured: i64,
    pub points_refunded: i64,
    pub hold_expire_time: i64,
    pub create_time: i64,
    pub currency: String,
    pub purse: i32,
    pub quantity_captured: i64,
    pub supply: i32,
    pub lots: String,
    pub lots_wallet_id: Uuid,
    pub resolve_time: i64,
    pub step_seq: i64,
    pub detail: String,
    pub stays: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
