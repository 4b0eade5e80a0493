//! Who brought whom, and how far that is.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "referral")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    /// That of the friend.
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet_id: Uuid,
    pub referrer_id: Uuid,
    pub program_id: String,
    pub state: i32,
    pub activity_id: Uuid,
    pub create_time: i64,
    pub due_time: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
