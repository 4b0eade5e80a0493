//! One movement of points; never changed or deleted.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "posting")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub debit: i32,
    pub credit: i32,
    pub points: i64,
    pub reason: i32,
    pub effective_time: i64,
    pub create_time: i64,
    pub request_id: Uuid,
    pub actor_member_id: Uuid,
    pub activity_id: Uuid,
    pub redemption_id: Uuid,
    pub rule_version: i64,
    pub note: String,
    pub other_wallet_id: Uuid,
    pub purse: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
