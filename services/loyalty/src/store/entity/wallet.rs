//! Running totals of one wallet and the numbers its rows are counted with.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "wallet")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet_id: Uuid,
    pub program_id: String,
    pub version: i64,
    pub now: i64,
    pub next_expire: i64,
    pub next_due: i64,
    pub pending: i64,
    pub available: i64,
    pub held: i64,
    pub arrears: i64,
    pub issued: i64,
    pub reversed: i64,
    pub redeemed: i64,
    pub expired: i64,
    pub adjusted: i64,
    pub posting_seq: i64,
    pub lot_seq: i64,
    pub event_seq: i64,
    pub order_key: i64,
    pub tier_rank: i32,
    pub warned_until: i64,
    pub warned_lot: i64,
    pub next_warn: i64,
    pub next_release: i64,
    pub next_hold: i64,
    pub waived: i64,
    pub alive_since: i64,
    pub alive_until: i64,
    pub open_time: i64,
    pub tier_since: i64,
    pub tier_until: i32,
    pub tier_day: i32,
    pub tier_first_day: i32,
    pub tier_progress: i64,
    pub tier_previous: i64,
    pub tier_seq: i64,
    pub tier_warned: i32,
    pub state: i32,
    pub transferred: i64,
    pub referred: i32,
    pub moved_to: Uuid,
    pub role: i32,
    pub shared: i32,
    pub purses: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
