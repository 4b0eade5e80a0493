//! The rules of one program.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "program")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub program_id: String,
    pub display_name: String,
    pub time_zone: String,
    pub money_currency: String,
    pub point_code: String,
    pub point_name: String,
    pub rule_points: i64,
    pub rule_per_micros: i64,
    pub rule_version: i64,
    pub expiry_kind: i32,
    pub expiry_count: i32,
    pub tiers: String,
    pub version: i64,
    pub create_time: i64,
    pub expiry_day: i32,
    pub expiry_round_to: i32,
    pub release_kind: i32,
    pub release_days: i32,
    pub return_policy: i32,
    pub expiry_sliding: i32,
    pub tier_basis: i32,
    pub tier_kinds: i32,
    pub tier_window: i32,
    pub tier_months: i32,
    pub tier_downgrade: i32,
    pub tier_grace_days: i32,
    pub tier_warn_days: i32,
    pub referral: String,
    pub velocity: String,
    pub further: String,
    pub tiers_before: String,
    pub tiers_due: i64,
    pub redemption_policy: String,
    pub point_cost_micros: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
