//! Who belongs to which program.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "member")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub member_id: Uuid,
    pub program_id: String,
    pub external_id: String,
    pub wallet_id: Uuid,
    pub state: i32,
    pub create_time: i64,
    pub profile: String,
    pub version: i64,
    pub update_time: i64,
    pub enroll_request_id: String,
    pub referred_by: Uuid,
    pub merged_into: Uuid,
    pub role: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
