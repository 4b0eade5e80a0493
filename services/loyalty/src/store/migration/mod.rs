//! The schema, migration by migration. A published one never changes.

mod m0002_create_catalogue;
mod m0003_create_ledger;
mod m0005_warn_expiry;
mod m0006_create_tier_changes;
mod m0007_expire_by_calendar;
mod m0008_release_and_reverse;
mod m0009_create_rules;
mod m0010_slide_and_reinstate;
mod m0011_keep_tier_history;
mod m0012_know_members;
mod m0013_transfer_points;
mod m0014_count_units;
mod m0015_refer_friends;
mod m0016_limit_velocity;
mod m0017_pin_members;
mod m0018_move_members;
mod m0019_count_in_several_currencies;
mod m0020_settle_changed_tiers;
mod m0021_hold_redemptions;
mod m0022_offer_rewards;
mod m0023_roll_up_liability;
mod m0024_count_by_member;
mod m0025_leave_lots;
mod m0026_find_activities;
mod m0027_take_what_comes_back;
mod m0028_count_together;
mod m0029_bound_reviews;
mod m0030_find_lots_by_member;
mod m0031_warn_of_what_came_since;
mod m0032_end_once;
mod m0033_find_holds_by_reward;
mod m0034_list_requests;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// All migrations of the loyalty database, in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(events::CreateEventLog),
            Box::new(m0002_create_catalogue::CreateCatalogue),
            Box::new(m0003_create_ledger::CreateLedger),
            Box::new(events::CreateRelay),
            Box::new(m0005_warn_expiry::WarnExpiry),
            Box::new(m0006_create_tier_changes::CreateTierChanges),
            Box::new(m0007_expire_by_calendar::ExpireByCalendar),
            Box::new(m0008_release_and_reverse::ReleaseAndReverse),
            Box::new(m0009_create_rules::CreateRules),
            Box::new(m0010_slide_and_reinstate::SlideAndReinstate),
            Box::new(m0011_keep_tier_history::KeepTierHistory),
            Box::new(m0012_know_members::KnowMembers),
            Box::new(m0013_transfer_points::TransferPoints),
            Box::new(m0014_count_units::CountUnits),
            Box::new(m0015_refer_friends::ReferFriends),
            Box::new(m0016_limit_velocity::LimitVelocity),
            Box::new(m0017_pin_members::PinMembers),
            Box::new(m0018_move_members::MoveMembers),
            Box::new(m0019_count_in_several_currencies::CountInSeveralCurrencies),
            Box::new(m0020_settle_changed_tiers::SettleChangedTiers),
            Box::new(m0021_hold_redemptions::HoldRedemptions),
            Box::new(m0022_offer_rewards::OfferRewards),
            Box::new(m0023_roll_up_liability::RollUpLiability),
            Box::new(m0024_count_by_member::CountByMember),
            Box::new(m0025_leave_lots::LeaveLots),
            Box::new(m0026_find_activities::FindActivities),
            Box::new(m0027_take_what_comes_back::TakeWhatComesBack),
            Box::new(m0028_count_together::CountTogether),
            Box::new(m0029_bound_reviews::BoundReviews),
            Box::new(m0030_find_lots_by_member::FindLotsByMember),
            Box::new(m0031_warn_of_what_came_since::WarnOfWhatCameSince),
            Box::new(m0032_end_once::EndOnce),
            Box::new(m0033_find_holds_by_reward::FindHoldsByReward),
            Box::new(m0034_list_requests::ListRequests),
        ]
    }
}
