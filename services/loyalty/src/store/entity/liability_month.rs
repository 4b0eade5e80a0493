//! How the points of a purse moved in a month, over the wallets of a program.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "liability_month")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub program_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub purse: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub month: i32,
    pub issued: i64,
    pub reversed: i64,
    pub redeemed: i64,
    pub refunded: i64,
    pub expired: i64,
    pub reinstated: i64,
    pub adjusted: i64,
    pub waived: i64,
    pub transferred: i64,
    pub pending: i64,
    pub available: i64,
    pub held: i64,
    pub arrears: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
