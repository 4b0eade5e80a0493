//! The tables, one file each. Nothing outside `store` names them.
#![expect(unreachable_pub, reason = "the derive makes everything public")]

pub(super) mod activity;
pub(super) mod allocation;
pub(super) mod household;
pub(super) mod liability_month;
pub(super) mod lot;
pub(super) mod member;
pub(super) mod member_count;
pub(super) mod member_key;
pub(super) mod posting;
pub(super) mod program;
pub(super) mod program_counter;
pub(super) mod redemption;
pub(super) mod redemption_step;
pub(super) mod referral;
pub(super) mod review;
pub(super) mod reward;
pub(super) mod reward_code;
pub(super) mod reward_stock;
pub(super) mod reward_version;
pub(super) mod rule_set;
pub(super) mod tier_change;
pub(super) mod tier_credit;
pub(super) mod tier_history;
pub(super) mod wallet;
