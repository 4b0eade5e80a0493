//! The wire's shapes of redemptions, in both directions.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Written;
use rpc::Problem;

use super::refusal::{DOMAIN, problem, redemption_not_found};
use super::wire::{balance_after, money, opt_timestamp, positive_amount, read_token, timestamp, uuid_text};
use crate::domain::{
    Bill, LateRefund, Lot, Portion, Redemption, RedemptionPolicy, RedemptionRefusal, RedemptionState, Reply,
    Step, StepKind,
};
use crate::ledger::Answered;
use crate::store::Owner;

pub(super) fn redemption_message(redemption: &Redemption) -> pb::Redemption {
    let in_one_step = redemption.state == RedemptionState::Captured
        && redemption.hold_expire_time == redemption.create_time;
    let held_until = Some(redemption.hold_expire_time).filter(|_| !in_one_step);
    pb::Redemption {
        redemption_id: uuid_text(redemption.id),
        member_id: uuid_text(redemption.member_id),
        program_id: redemption.program_id.clone(),
        reward_id: redemption.reward_id.clone(),
        reward_version: redemption.reward_version,
        quantity: redemption.quantity,
        points: redemption.points,
        state: state(redemption).into(),
        create_time: Some(timestamp(redemption.create_time)),
        currency_code: redemption.currency.clone(),
        points_captured: redemption.captured,
        points_refunded: redemption.refunded,
        quantity_captured: redemption.quantity_captured,
        hold_expire_time: held_until.map(timestamp),
        resolve_time: opt_timestamp(redemption.resolve_time),
        price_id: redemption.price_id.clone(),
        money: redemption.money.map(money),
        amount: redemption.amount.map(money),
        codes: redemption.codes.clone(),
    }
}

fn state(redemption: &Redemption) -> pb::RedemptionState {
    match (redemption.state, redemption.refunded) {
        (RedemptionState::Held, _) => pb::RedemptionState::Held,
        (RedemptionState::Voided, _) => pb::RedemptionState::Voided,
        (RedemptionState::Expired, _) => pb::RedemptionState::Expired,
        (RedemptionState::Captured, 0) => pb::RedemptionState::Captured,
        (RedemptionState::Captured, refunded) if refunded < redemption.captured => {
            pb::RedemptionState::PartiallyRefunded
        }
        (RedemptionState::Captured, _) => pb::RedemptionState::Refunded,
    }
}

/// What came from a lot, which is another wallet's if the redemption moved.
pub(super) fn lot_message(owner: &Owner, lot: &Lot, points: i64) -> pb::RedemptionLot {
    let activity = Some(lot.activity_id).filter(|id| !id.is_nil());
    pb::RedemptionLot {
        lot_number: lot.key.number,
        wallet_id: uuid_text(owner.id()),
        points,
        activity_id: activity.map(uuid_text).unwrap_or_default(),
        rule_version: lot.rule_version,
        expire_time: opt_timestamp(lot.key.expire_time),
    }
}

pub(super) fn step_message(step: &Step) -> pb::RedemptionStep {
    let kind = match step.kind {
        StepKind::Held => pb::RedemptionStepKind::Held,
        StepKind::Extended => pb::RedemptionStepKind::Extended,
        StepKind::Captured => pb::RedemptionStepKind::Captured,
        StepKind::Voided => pb::RedemptionStepKind::Voided,
        StepKind::Expired => pb::RedemptionStepKind::Expired,
        StepKind::Refunded => pb::RedemptionStepKind::Refunded,
    };
    pb::RedemptionStep {
        number: step.number,
        kind: kind.into(),
        points: step.points,
        quantity: step.quantity,
        hold_expire_time: opt_timestamp(step.hold_expire_time),
        reason: step.note.clone(),
        effective_time: Some(timestamp(step.effective_time)),
        create_time: Some(timestamp(step.create_time)),
    }
}

/// How a program's rewards are held and refunded.
pub(super) fn redemption_policy(given: Option<&pb::RedemptionPolicy>) -> RedemptionPolicy {
    let Some(given) = given else { return RedemptionPolicy::DEFAULT };
    let hold_max_seconds = match given.max_hold_seconds {
        0 => RedemptionPolicy::DEFAULT.hold_max_seconds,
        seconds => seconds,
    };
    let late_refund = match given.late_refund_policy() {
        pb::LateRefundPolicy::Grace => LateRefund::Grace(given.late_refund_grace_days.unsigned_abs()),
        pb::LateRefundPolicy::Expire | pb::LateRefundPolicy::Unspecified => LateRefund::Expire,
    };
    RedemptionPolicy { hold_max_seconds, late_refund }
}

pub(super) fn redemption_policy_message(policy: RedemptionPolicy) -> pb::RedemptionPolicy {
    let (late, days) = match policy.late_refund {
        LateRefund::Expire => (pb::LateRefundPolicy::Expire, 0),
        LateRefund::Grace(days) => (pb::LateRefundPolicy::Grace, days),
    };
    pb::RedemptionPolicy {
        max_hold_seconds: policy.hold_max_seconds,
        late_refund_policy: late.into(),
        late_refund_grace_days: i32::try_from(days).unwrap_or(i32::MAX),
    }
}

/// Why a redemption is not held, captured, voided or refunded.
pub(super) fn redemption_problem(refusal: &RedemptionRefusal) -> Problem {
    match refusal {
        RedemptionRefusal::NotFound { redemption_id } => redemption_not_found(&redemption_id.to_string()),
        RedemptionRefusal::Resolved { redemption_id, state } => {
            resolved(*state).with("redemption_id", redemption_id)
        }
        RedemptionRefusal::NotCaptured { redemption_id } => {
            let message = "the points are only held; capture them first, or void the redemption";
            Problem::precondition(DOMAIN, "NOT_CAPTURED", message).with("redemption_id", redemption_id)
        }
        RedemptionRefusal::CaptureExceedsHold { points, held, quantity, quantity_held } => {
            let message = format!(
                "{points} points and {quantity} units are to be captured, {held} and {quantity_held} are held"
            );
            Problem::precondition(DOMAIN, "CAPTURE_EXCEEDS_HOLD", message)
                .with("points", points)
                .with("held", held)
                .with("quantity", quantity)
                .with("quantity_held", quantity_held)
        }
        RedemptionRefusal::RefundExceedsRedemption { points, left } => {
            let message = match left {
                0 => "all points of the redemption were refunded".to_owned(),
                _ => format!("{points} points are to be refunded, of the redemption only {left} are left"),
            };
            Problem::precondition(DOMAIN, "REFUND_EXCEEDS_REDEMPTION", message)
                .with("points", points)
                .with("left", left)
        }
        RedemptionRefusal::HoldTooLong { seconds, max_seconds } => {
            let message =
                format!("a hold of {seconds} seconds is too long; the program allows {max_seconds}");
            Problem::precondition(DOMAIN, "HOLD_TOO_LONG", message)
                .with("seconds", seconds)
                .with("max_seconds", max_seconds)
        }
        RedemptionRefusal::HoldEnds { last } => {
            let message = format!("points are held for 30 days at most, which end at {last}");
            Problem::precondition(DOMAIN, "HOLD_ENDS", message).with("last", last)
        }
    }
}

fn resolved(state: RedemptionState) -> Problem {
    match state {
        RedemptionState::Captured => {
            Problem::precondition(DOMAIN, "ALREADY_CAPTURED", "the points were captured; refund them instead")
        }
        RedemptionState::Voided => {
            Problem::precondition(DOMAIN, "ALREADY_VOIDED", "the redemption was voided; make a new one")
        }
        RedemptionState::Held | RedemptionState::Expired => {
            Problem::precondition(DOMAIN, "HOLD_EXPIRED", "the hold timed out; make a new redemption")
        }
    }
}

/// The bill that points are to pay, from a field; `points` 0: as many as there are.
pub(super) fn bill(
    given: Option<&proto::google::r#type::Money>,
    (points, quantity): (i64, i64),
    path: &Path<'_>,
    found: &mut Violations,
) -> Option<Bill> {
    if given.is_some() && quantity > 1 {
        found.add(path, "quantity", "must be 1 for a bill");
    }
    let amount = positive_amount(given, path, "amount", found);
    if points > 0 && given.is_none() {
        found.add(path, "max_points", "needs an amount");
    }
    amount.map(|amount| Bill { amount, points: Some(points).filter(|points| *points > 0) })
}

impl From<pb::capture_redemption_request::Portion> for Portion {
    fn from(given: pb::capture_redemption_request::Portion) -> Portion {
        match given {
            pb::capture_redemption_request::Portion::Points(points) => Portion::Points(points),
            pb::capture_redemption_request::Portion::Quantity(units) => Portion::Quantity(units),
        }
    }
}

impl From<pb::refund_redemption_request::Portion> for Portion {
    fn from(given: pb::refund_redemption_request::Portion) -> Portion {
        match given {
            pb::refund_redemption_request::Portion::Points(points) => Portion::Points(points),
            pb::refund_redemption_request::Portion::Quantity(units) => Portion::Quantity(units),
        }
    }
}

/// What is meant: everything, if nothing is said.
pub(super) fn portion(given: Option<impl Into<Portion>>) -> Portion {
    given.map_or(Portion::Whole, Into::into)
}

/// The answer to a command on a redemption.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// How many points were given back.
    pub(super) points_refunded: i64,
    pub(super) redemption: Option<pb::Redemption>,
    pub(super) balance: Option<pb::Balance>,
    pub(super) read_token: String,
}

/// What was answered, as a message that has the fields of an [`Answer`].
pub(super) fn written<M: prost::Message>(answered: &Answered<'_>, message: fn(Answer) -> M) -> Written {
    match answered.answer {
        Ok(reply) => Written::done(&message(Answer {
            points_refunded: if let Reply::Refunded(_, points) = reply { *points } else { 0 },
            redemption: reply.redemption().map(redemption_message),
            balance: Some(balance_after(answered)),
            read_token: read_token(answered.wallet.id, answered.wallet.version),
        })),
        Err(refusal) => Written::refused(&problem(refusal)),
    }
}
