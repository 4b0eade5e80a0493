//! The stories of the suite, each file named as the sentence it proves, and the rules of the repository.

#![cfg(test)]

/// Tells stories in this process on SQLite, in this process on PostgreSQL and Redis, and against a process
/// of its own.
macro_rules! everywhere {
    ($($story:ident;)+) => {
        in_process! { $($story;)+ }
        mod as_a_process {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(harness::house::House::process().await).await;
            })+
        }
    };
}

/// Tells stories of all services, in this process on SQLite, in this process on PostgreSQL and Redis, and as
/// four processes.
macro_rules! through_all_services {
    ($($story:ident;)+) => {
        in_process! { $($story;)+ }
        mod as_four_processes {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(harness::house::House::processes().await).await;
            })+
        }
    };
}

/// Tells stories that move the clock.
macro_rules! in_process {
    ($($story:ident;)+) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(harness::house::House::sqlite().await).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(harness::house::House::postgres().await).await;
            })+
        }
    };
}

mod a_batch_stops_or_leaves_no_trace;
mod a_corrupted_row_makes_the_audit_red;
mod a_customer_is_heard_and_kept;
mod a_full_disk_loses_nothing;
mod a_killed_process_loses_and_doubles_nothing;
mod a_poison_event_holds_up_nobody_else;
mod a_redemption_is_one_trace;
mod a_request_acts_once;
mod a_restored_log_is_recognised;
mod a_slow_subscriber_slows_nobody;
mod a_survey_gives_known_scores;
mod activities_are_simulated;
mod an_activity_is_taken_back;
mod an_event_is_applied_exactly_once;
mod an_event_reaches_the_inbox;
mod an_import_can_be_repeated;
mod an_older_database_is_brought_up;
mod bad_input_is_refused_and_changes_nothing;
mod caps_count_what_is_kept;
mod changed_tiers_reach_everybody;
mod codes_go_to_one;
mod eligible_rewards_are_listed;
mod events_have_a_port_of_their_own;
mod every_error_is_documented;
mod everything_can_be_exported;
mod exports_become_files;
mod friends_are_rewarded;
mod holds_end_by_themselves;
mod holds_move_with_members;
mod households_share;
mod leases_are_fenced;
mod liability_ties_to_the_ledger;
mod limits_hold;
mod members_are_known;
mod members_are_merged;
mod members_leave_while_others_act;
mod messages_survive_killed_processes;
mod one_balance_is_spent_exactly;
mod pages_cover_everything_once;
mod points_are_given_away;
mod points_are_of_several_currencies;
mod points_expire_on_time;
mod points_live_longer;
mod points_pay_bills;
mod points_that_slide_move_with_members;
mod programs_are_files;
mod random_commands_agree_with_the_model;
mod random_crowds_agree_with_the_model;
mod random_decisions_agree_with_the_model;
mod random_gifts_agree_with_the_model;
mod random_moves_agree_with_the_model;
mod rapport_refuses_to_start_wrongly;
mod real_baskets_earn_what_the_rules_say;
mod real_coupons_are_redeemed;
mod redis_may_vanish;
mod requests_are_listed;
mod returned_points_do_not_come_back;
mod rewards_are_for_some;
mod rewards_are_held;
mod rows_are_found_by_whole_keys;
mod rules_are_tried_on_history;
mod rules_say_what_activities_earn;
mod rules_see_members;
mod scores_can_be_made_again;
mod services_survive_being_killed;
mod state_is_brought_past_the_log;
mod statements_do_the_same_on_both_databases;
mod statistics_may_be_wrong;
mod stopping_ends;
mod tenants_see_nothing_of_each_other;
mod the_erased_are_forgotten;
mod the_last_unit_goes_to_one;
mod tidy;
mod tiers_change_from_the_next_day;
mod tiers_follow_their_policy;
mod two_processes_race_for_rewards;
mod two_processes_race_on_one_wallet;
mod two_workers_settle_at_once;
mod what_merged_members_did_counts;
mod what_was_counted_goes_with_members;
mod what_would_loop_is_bounded;
