//! What became in a month of points that could be spent since another one, over the wallets of a program.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "lot_ending")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub program_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub purse: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub since_month: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub month: i32,
    pub spent: i64,
    pub expired: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
