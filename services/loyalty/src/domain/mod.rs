//! The rules of loyalty: what a command does to a wallet, decided from state, command and time alone.
//!
//! [`decide`] settles what is due and then applies one command, returning everything to be written and
//! announced. Nothing here reads a clock, draws an identifier or knows a database: the same inputs give the
//! same outcome, bit for bit. Points are whole numbers; arithmetic that does not fit is a refusal, never a
//! wrap.
#![warn(clippy::arithmetic_side_effects)]

mod activity;
mod adjust_points;
mod backtest;
mod book;
pub mod breakage;
mod calendar;
mod capture_redemption;
mod change_state;
mod command;
mod confirm_activity;
mod create_redemption;
mod decide;
mod event;
mod expiry;
mod extend_expiry;
mod extend_hold;
#[cfg(test)]
mod fixture;
mod give_back;
mod household;
pub mod liability;
mod lot;
mod member;
mod money;
mod month;
mod move_member;
mod movements;
mod payment;
mod posting;
mod program;
mod purse;
mod record_activity;
mod redeem_reward;
mod redemption;
mod referral;
mod refund_redemption;
mod refusal;
mod reinstate_points;
mod release;
mod reopen_referral;
mod reverse_activity;
mod review;
mod reward;
pub mod rules;
mod settle;
mod simulation;
mod term;
mod tier_book;
mod tiers;
mod transfer_points;
mod units;
mod velocity;
mod void_redemption;
mod wallet;
mod warn_expiry;

pub use activity::{
    Activity, ActivityKind, ActivityRef, ActivityState, Detail, Earning, Line, Outstanding, Pinned,
};
pub use adjust_points::AdjustPoints;
pub use backtest::{Backtest, Findings, History, Mover, Side};
pub use book::Outcome;
pub use calendar::{end_of_day, local_date, start_of_day, start_of_year};
pub use capture_redemption::CaptureRedemption;
pub use change_state::ChangeState;
pub use command::Command;
pub use confirm_activity::ConfirmActivity;
pub use create_redemption::CreateRedemption;
pub use decide::{Context, Decision, Reply, State, allow, decide, view};
pub use event::{AtRisk, Earned, Event, Left, MemberMoved, StateChange, Taken, Told, Transferred};
pub use expiry::{Expiry, Life, MonthDay, Period};
pub use extend_expiry::ExtendExpiry;
pub use extend_hold::{ExtendHold, HOLD_MAX_SECONDS};
pub use household::{HouseholdRole, shares_as};
pub use lot::{Allocation, Lot, LotKey, Origin};
pub use member::{Member, MemberKey, MemberState, Profile};
pub use money::{Currency, Money};
pub use month::Month;
pub use move_member::{Belongings, Destination, HandedOver, MoveMember, MoveRefusal};
pub use payment::{Bill, PaymentRate, Share, Worth};
pub use posting::{Account, Posting, Reason, Source};
pub use program::{CurrencyKind, EarningRule, FurtherCurrency, PointCurrency, Program, RuleSet};
pub use purse::{Alive, Points, Purse, Totals};
pub use record_activity::RecordActivity;
pub use redeem_reward::RedeemReward;
pub use redemption::{
    LateRefund, Portion, Redemption, RedemptionPolicy, RedemptionRefusal, RedemptionState, Stay, Step,
    StepKind,
};
pub use referral::{ReferralPolicy, ReferralState, Referred, referral_code};
pub use refund_redemption::RefundRedemption;
pub use refusal::Refusal;
pub use reinstate_points::ReinstatePoints;
pub use release::Release;
pub use reverse_activity::{CancelActivity, ReturnPolicy, Returned, Reversal, ReverseActivity};
pub use review::{Moved, Review, ReviewState};
pub use reward::{
    Asker, Fulfilment, Price, Reward, RewardRefusal, RewardTerms, RewardText, Stock, Supply, UnitLimit,
};
pub use simulation::Simulation;
pub use term::{Term, TermRefusal, activate, retire};
pub use tiers::{
    Basis, Credits, DayCredits, Downgrade, Earlier, Ladder, Past, Standing, Tier, TierPolicy, TierRow,
    TierStatus, Window,
};
pub use transfer_points::TransferPoints;
pub use velocity::{Breach, Movement, VelocityLimit, VelocityWindow};
pub use void_redemption::VoidRedemption;
pub use wallet::Wallet;
