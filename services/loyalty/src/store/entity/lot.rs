//! Points that were credited together and expire together.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "lot")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub lot_number: i64,
    pub points: i64,
    pub remaining: i64,
    pub open: i32,
    pub activate_time: i64,
    pub expire_time: i64,
    pub activity_id: Uuid,
    pub rule_version: i64,
    pub origin_lot: i64,
    pub expired: i64,
    pub pending: i32,
    pub returned: i32,
    pub origin_wallet_id: Uuid,
    pub member_id: Uuid,
    pub purse: i32,
    pub left_behind: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
