//! A complaint on its way to an ending.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "service_case")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub case_id: Uuid,
    pub feedback_id: Uuid,
    pub customer_id: Uuid,
    pub state: i32,
    pub priority: i32,
    pub reason: i32,
    pub agent_id: String,
    pub open_time: i64,
    pub respond_due_time: i64,
    pub resolve_due_time: i64,
    pub first_response_time: i64,
    pub resolve_time: i64,
    pub version: i64,
    pub order_key: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
