//! The fold of a customer's facts.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "profile")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer_id: Uuid,
    pub enroll_time: i64,
    pub first_purchase_time: i64,
    pub last_purchase_time: i64,
    pub purchase_count: i64,
    pub spend: String,
    pub visit_count: i64,
    pub activity_count: i64,
    pub nps: i32,
    pub nps_time: i64,
    pub nps_fact_id: Uuid,
    pub csat: i32,
    pub csat_time: i64,
    pub csat_fact_id: Uuid,
    pub answer_count: i64,
    pub dismissed_count: i64,
    pub cases_opened_count: i64,
    pub cases_resolved_count: i64,
    pub tier_id: String,
    pub tier_rank: i32,
    pub tier_time: i64,
    pub tier_order_key: i64,
    pub tier_fact_id: Uuid,
    pub redemption_count: i64,
    pub points_spent: i64,
    pub order_key: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
