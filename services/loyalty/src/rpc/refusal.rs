//! Refusals of the domain as gRPC errors: one code and one reason each, listed in `docs/errors.md`.

use ambient::Time;
use proto::rapport::loyalty::v1 as pb;
use rpc::Problem;

use super::redemption_wire::redemption_problem;
use super::reward_wire::reward_problem;
use crate::domain::{
    ActivityState, Currency, HouseholdRole, MemberState, Money, MoveRefusal, Moved, Refusal, ReviewState,
    TermRefusal,
};

pub(crate) const DOMAIN: &str = "rapport.loyalty";

pub(super) fn problem(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::ActivityExists { activity_id } => {
            exists("ACTIVITY_EXISTS", "an activity with this external_id").with("activity_id", activity_id)
        }
        Refusal::ActivityNotFound { activity } => activity_not_found(activity),
        Refusal::ActivityOver { activity_id, state } => {
            activity_over(*state).with("activity_id", activity_id)
        }
        Refusal::ActivityReleased { activity_id } => activity_released().with("activity_id", activity_id),
        Refusal::MemberSuspended => member_suspended(),
        Refusal::MemberClosed => member_closed(),
        Refusal::VelocityExceeded { limit_id } => velocity_exceeded(limit_id),
        Refusal::ReviewRequired { limit_id, .. } => review_required(limit_id),
        Refusal::ReviewCostsMore { asked, now } => review_costs_more(asked, now),
        Refusal::ReviewOver { state } => review_over(*state),
        Refusal::RecipientNotFound { member_id } => recipient_not_found().with("member_id", member_id),
        Refusal::RecipientNotActive { member_id, state } => {
            recipient_not_active(*state).with("member_id", member_id)
        }
        Refusal::RecipientSharesWallet { member_id } => shares_wallet().with("member_id", member_id),
        Refusal::Move(refusal) => move_problem(refusal),
        Refusal::RoleRequired { role } => role_required(*role),
        Refusal::ReturnExceedsActivity { returned_micros, residual_micros } => {
            return_exceeds(*returned_micros, *residual_micros)
        }
        Refusal::ItemNotLeft { item, quantity, left } => item_not_left(*item, *quantity, *left),
        Refusal::LimitReached { rule_id, desired, left } => limit_reached(rule_id, *desired, *left),
        Refusal::CurrencyMismatch { expected, given } => currency_mismatch(*expected, *given),
        Refusal::OccurredInFuture { occurred, now } => occurred_in_future(*occurred, *now),
        Refusal::ExpiresInPast { expire_time, now } => expires_in_past(*expire_time, *now),
        Refusal::TierInUse { tier_id } => tier_in_use().with("tier_id", tier_id),
        Refusal::TierPolicyInUse => tier_policy_in_use(),
        Refusal::PointCurrencyNotFound { code } => currency_not_found(code),
        Refusal::NotSpendable { code } => not_spendable(code),
        Refusal::AmountOverflow => {
            Problem::precondition(DOMAIN, "AMOUNT_OVERFLOW", "a sum would be too large to be counted")
        }
        Refusal::InsufficientPoints { needed, available } => Problem::precondition(
            DOMAIN,
            "INSUFFICIENT_POINTS",
            format!("{needed} points are needed, {available} are available"),
        )
        .with("needed", needed)
        .with("available", available)
        .with("missing", needed.saturating_sub(*available)),
        Refusal::OutOfStock { reward_id, remaining } => Problem::precondition(
            DOMAIN,
            "OUT_OF_STOCK",
            format!("reward {reward_id} has {remaining} units left"),
        )
        .with("reward_id", reward_id)
        .with("remaining", remaining),
        Refusal::Reward(refusal) => reward_problem(refusal),
        Refusal::Redemption(refusal) => redemption_problem(refusal),
        Refusal::RewardNotFound { reward_id } => reward_not_found(reward_id),
        Refusal::VersionMismatch { expected, actual } => Problem::aborted(
            DOMAIN,
            "VERSION_MISMATCH",
            format!("the wallet has version {actual}, not {expected}; read it again"),
        )
        .with("expected", expected)
        .with("actual", actual),
    }
}

fn tier_in_use() -> Problem {
    let message = "a tier must keep its place and its identifier; add others at the top";
    Problem::precondition(DOMAIN, "TIER_IN_USE", message)
}

fn tier_policy_in_use() -> Problem {
    let message = "basis, activity_types and window of the tier policy must stay: days were counted by them";
    Problem::precondition(DOMAIN, "TIER_POLICY_IN_USE", message)
}

fn currency_not_found(code: &str) -> Problem {
    let message = format!("the program has no points currency {code}");
    Problem::not_found(DOMAIN, "POINT_CURRENCY_NOT_FOUND", message).with("currency_code", code)
}

fn not_spendable(code: &str) -> Problem {
    let message = format!("{code} are credits for tiers; no wallet holds them");
    Problem::precondition(DOMAIN, "POINT_CURRENCY_NOT_SPENDABLE", message).with("currency_code", code)
}

/// A member does not move, or what it has is elsewhere.
fn move_problem(refusal: &MoveRefusal) -> Problem {
    match refusal {
        MoveRefusal::NoMember { member_id } => member_not_found(&member_id.to_string()),
        MoveRefusal::MemberMerged { member_id } => member_merged().with("into_member_id", member_id),
        MoveRefusal::MemberInHousehold { household_id } => in_household().with("household_id", household_id),
        MoveRefusal::NotMerged => {
            Problem::precondition(DOMAIN, "MEMBER_NOT_MERGED", "the member was not merged into another one")
        }
        MoveRefusal::NotInHousehold => {
            Problem::precondition(DOMAIN, "MEMBER_NOT_IN_HOUSEHOLD", "the member is in no household")
        }
        MoveRefusal::SurvivorNotFound { member_id } => survivor_not_found().with("member_id", member_id),
        MoveRefusal::SurvivorClosed { member_id } => survivor_closed().with("member_id", member_id),
        MoveRefusal::MergeLoop => merge_loop(),
        MoveRefusal::HouseholdNotFound { household_id } => household_not_found(&household_id.to_string()),
    }
}

/// A change of when a rule set holds that is refused.
pub(super) fn term_problem(refusal: &TermRefusal) -> Problem {
    match refusal {
        TermRefusal::NotDraft { version } => Problem::precondition(
            DOMAIN,
            "RULE_SET_NOT_DRAFT",
            format!("rule set {version} was activated before; create another draft with its rules"),
        )
        .with("version", version),
        TermRefusal::StartsInPast { start, now } => Problem::precondition(
            DOMAIN,
            "START_IN_PAST",
            format!("a rule set cannot hold from {start} on, which lies before {now}"),
        )
        .with("start_time", start)
        .with("now", now),
        TermRefusal::Scheduled { version, start } => Problem::precondition(
            DOMAIN,
            "RULE_SET_SCHEDULED",
            format!("rule set {version} holds from {start}; begin later, or retire it first"),
        )
        .with("version", version)
        .with("start_time", start),
        TermRefusal::NotActive { version } => Problem::precondition(
            DOMAIN,
            "RULE_SET_NOT_ACTIVE",
            format!("rule set {version} neither holds nor will hold"),
        )
        .with("version", version),
    }
}

fn activity_over(state: ActivityState) -> Problem {
    let what = match state {
        ActivityState::Cancelled => "was cancelled before",
        ActivityState::Recorded | ActivityState::PartlyReversed | ActivityState::Reversed => {
            "was taken back before, all of it"
        }
    };
    Problem::precondition(DOMAIN, "ACTIVITY_OVER", format!("the activity {what}"))
}

fn activity_released() -> Problem {
    let message = "points of the activity are no longer pending; use ReverseActivity";
    Problem::precondition(DOMAIN, "ACTIVITY_RELEASED", message)
}

fn occurred_in_future(occurred: Time, now: Time) -> Problem {
    let message = format!("the activity is said to have happened at {occurred}, which lies after {now}");
    Problem::precondition(DOMAIN, "OCCURRED_IN_FUTURE", message)
        .with("occurred_time", occurred)
        .with("now", now)
}

fn expires_in_past(expire_time: Time, now: Time) -> Problem {
    let message = format!("points cannot be made to expire at {expire_time}, which does not lie after {now}");
    Problem::precondition(DOMAIN, "EXPIRES_IN_PAST", message)
        .with("expire_time", expire_time)
        .with("now", now)
}

fn velocity_exceeded(limit_id: &str) -> Problem {
    let message = format!("more than limit {limit_id} allows for now; try again in its next period");
    Problem::precondition(DOMAIN, "VELOCITY_EXCEEDED", message).with("limit_id", limit_id)
}

fn review_required(limit_id: &str) -> Problem {
    let message = "it waits for a review under its request_id; ReviewService decides about it";
    Problem::precondition(DOMAIN, "REVIEW_REQUIRED", message).with("limit_id", limit_id)
}

fn review_over(state: ReviewState) -> Problem {
    let what = match state {
        ReviewState::Open | ReviewState::Approved => "was approved before",
        ReviewState::Rejected => "was rejected before",
    };
    Problem::precondition(DOMAIN, "REVIEW_OVER", format!("the review {what}"))
}

fn currency_mismatch(expected: Currency, given: Currency) -> Problem {
    let message = format!("the amount is in {given:?}, the program counts in {expected:?}");
    Problem::precondition(DOMAIN, "CURRENCY_MISMATCH", message)
        .with("expected", expected.code())
        .with("given", given.code())
}

fn review_costs_more(asked: &Moved, now: &Moved) -> Problem {
    let text = |of: &Moved| match of.money {
        None => format!("{} {}", of.points, of.currency),
        Some(Money { micros, currency }) => {
            format!("{} {} and {} {}", of.points, of.currency, decimal(micros), currency.code())
        }
    };
    let [asked, now] = [asked, now].map(text);
    let message = format!("it was asked for {asked}, and would take {now} now; reject it, and ask again");
    Problem::precondition(DOMAIN, "REVIEW_COSTS_MORE", message).with("asked", asked).with("now", now)
}

pub(super) fn review_not_found(review_id: &str) -> Problem {
    let message = "the member has no such review";
    Problem::not_found(DOMAIN, "REVIEW_NOT_FOUND", message).with("review_id", review_id)
}

fn member_suspended() -> Problem {
    let message = "the member is suspended and may neither earn nor spend points; use ReactivateMember";
    Problem::precondition(DOMAIN, "MEMBER_SUSPENDED", message)
}

fn recipient_not_found() -> Problem {
    let message = "the program has no such member to give points to";
    Problem::not_found(DOMAIN, "RECIPIENT_NOT_FOUND", message)
}

fn recipient_not_active(state: MemberState) -> Problem {
    let (reason, what) = match state {
        MemberState::Active | MemberState::Suspended => ("RECIPIENT_SUSPENDED", "is suspended"),
        MemberState::Closed | MemberState::Erased => ("RECIPIENT_CLOSED", "has left"),
    };
    Problem::precondition(DOMAIN, reason, format!("the member to give points to {what}"))
}

fn shares_wallet() -> Problem {
    let message = "both members have their points in the same wallet";
    Problem::precondition(DOMAIN, "RECIPIENT_SHARES_WALLET", message)
}

fn member_merged() -> Problem {
    let message = "the member was merged into another one; name that one, or use UnmergeMembers";
    Problem::precondition(DOMAIN, "MEMBER_MERGED", message)
}

fn in_household() -> Problem {
    let message = "the member is in a household; use RemoveHouseholdMember first";
    Problem::precondition(DOMAIN, "MEMBER_IN_HOUSEHOLD", message)
}

fn survivor_not_found() -> Problem {
    let message = "the program has no such member to merge another one into";
    Problem::not_found(DOMAIN, "SURVIVOR_NOT_FOUND", message)
}

fn survivor_closed() -> Problem {
    let message = "the member to merge another one into has left";
    Problem::precondition(DOMAIN, "SURVIVOR_CLOSED", message)
}

fn merge_loop() -> Problem {
    let message = "the member to merge another one into was merged into that one";
    Problem::precondition(DOMAIN, "MERGE_LOOP", message)
}

fn role_required(role: HouseholdRole) -> Problem {
    let role = pb::HouseholdRole::try_from(role as i32).unwrap_or_default().as_str_name();
    let message = format!("only {role} may spend points of the household; use UpdateHouseholdMember");
    Problem::precondition(DOMAIN, "HOUSEHOLD_ROLE_REQUIRED", message).with("role", role)
}

pub(super) fn household_not_found(household_id: &str) -> Problem {
    let message = "the program has no such household";
    Problem::not_found(DOMAIN, "HOUSEHOLD_NOT_FOUND", message).with("household_id", household_id)
}

fn item_not_left(item: usize, quantity: i64, left: i64) -> Problem {
    let message = format!("{quantity} of item {item} are to be given back, {left} are left");
    Problem::precondition(DOMAIN, "ITEM_NOT_LEFT", message).with("item", item).with("left", left)
}

fn limit_reached(rule_id: &str, desired: i64, left: i64) -> Problem {
    let message = format!("rule {rule_id} would grant {desired} points and may grant {left}");
    Problem::precondition(DOMAIN, "LIMIT_REACHED", message).with("rule_id", rule_id).with("left", left)
}

fn decimal(micros: i64) -> String {
    let (units, rest) = (micros / Money::MICROS_PER_UNIT, micros % Money::MICROS_PER_UNIT);
    format!("{units}.{rest:06}")
}

fn return_exceeds(returned_micros: i64, residual_micros: i64) -> Problem {
    let (returned, left) = (decimal(returned_micros), decimal(residual_micros));
    let message = format!("{returned} is to be given back, of the activity only {left} is left");
    Problem::precondition(DOMAIN, "RETURN_EXCEEDS_ACTIVITY", message)
        .with("returned", returned)
        .with("left", left)
}

pub(super) fn exists(reason: &'static str, what: &str) -> Problem {
    Problem::new(tonic::Code::AlreadyExists, DOMAIN, reason, format!("{what} exists already"))
}

pub(super) fn member_not_found(member_id: &str) -> Problem {
    Problem::not_found(DOMAIN, "MEMBER_NOT_FOUND", "there is no such member").with("member_id", member_id)
}

pub(super) fn activity_not_found(activity: &str) -> Problem {
    let message = "the member has no such activity";
    Problem::not_found(DOMAIN, "ACTIVITY_NOT_FOUND", message).with("activity", activity)
}

pub(super) fn program_not_found(program_id: &str) -> Problem {
    let message = format!("there is no program {program_id}");
    Problem::not_found(DOMAIN, "PROGRAM_NOT_FOUND", message).with("program_id", program_id)
}

pub(super) fn cursor_invalid() -> Problem {
    let message = "the cursor was not issued for this export; begin without one";
    let told = "must be a cursor of the same export, with everything else as it was";
    Problem::invalid(DOMAIN, "CURSOR_INVALID", message).field("cursor", told)
}

pub(super) fn rule_set_not_found(program_id: &str, version: i64) -> Problem {
    let message = format!("program {program_id} has no rule set {version}");
    Problem::not_found(DOMAIN, "RULE_SET_NOT_FOUND", message)
        .with("program_id", program_id)
        .with("version", version)
}

pub(super) fn redemption_not_found(redemption_id: &str) -> Problem {
    Problem::not_found(DOMAIN, "REDEMPTION_NOT_FOUND", "the member has no such redemption")
        .with("redemption_id", redemption_id)
}

pub(super) fn reward_not_found(reward_id: &str) -> Problem {
    let message = format!("the program has no reward {reward_id}");
    Problem::not_found(DOMAIN, "REWARD_NOT_FOUND", message).with("reward_id", reward_id)
}

pub(super) fn stock_unlimited(reward_id: &str) -> Problem {
    let message = format!("the stock of reward {reward_id} is not counted");
    Problem::precondition(DOMAIN, "STOCK_UNLIMITED", message).with("reward_id", reward_id)
}

pub(super) fn stock_of_codes(reward_id: &str) -> Problem {
    let message = format!("each unit of reward {reward_id} is a code; use UploadRewardCodes");
    Problem::precondition(DOMAIN, "STOCK_OF_CODES", message).with("reward_id", reward_id)
}

/// The member has left.
pub(super) fn member_closed() -> Problem {
    Problem::precondition(DOMAIN, "MEMBER_CLOSED", "the member has left; nothing can be done any more")
}
