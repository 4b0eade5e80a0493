//! What a member did.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "activity")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub activity_id: Uuid,
    pub member_id: Uuid,
    pub kind: i32,
    pub occurred_time: i64,
    pub amount_currency: String,
    pub amount_micros: i64,
    pub external_id: String,
    pub points: i64,
    pub create_time: i64,
    pub state: i32,
    pub points_reversed: i64,
    pub returned_micros: i64,
    pub lot_first: i64,
    pub lot_count: i64,
    pub detail: String,
    pub rule_version: i64,
    pub tier_rank: i32,
    pub room: String,
    pub units: i64,
    pub member: String,
    pub expired_before: i64,
    pub earned: String,
    pub credits: i64,
    pub outstanding: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
