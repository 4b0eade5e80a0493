//! A submission; never changed.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "feedback")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub feedback_id: Uuid,
    pub source_id: String,
    pub submission_id: String,
    pub channel: i32,
    pub customer_kind: i32,
    pub customer_key: String,
    pub subject_id: Uuid,
    pub touchpoint: String,
    pub branch_id: String,
    pub staff_id: String,
    pub invite_time: i64,
    pub start_time: i64,
    pub answer_time: i64,
    pub ingest_time: i64,
    pub status: i32,
    pub text: String,
    pub language: String,
    pub consent_scope: String,
    pub attributes: String,
    pub case_id: Uuid,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
