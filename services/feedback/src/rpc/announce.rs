//! What feedback and cases announce, as messages of the event log: ids and facts, never words.

use db::Tenant;
use events::Event;
use prost::Message;
use proto::rapport::feedback::v1 as pb;
use requests::wire::{opt_timestamp, uuid_text};

use crate::domain::{Action, Case, Direction, Feedback, Step, Value};

/// A submission was taken: the first and only event of its history so far.
pub(super) fn submitted(tenant: &Tenant, feedback: &Feedback, traceparent: &str, machine_now: i64) -> Event {
    let sent = &feedback.sent;
    let rating = |(question_id, value): (&String, &Value)| {
        let (scale, value) = match value {
            Value::Nps(value) => (pb::RatingScale::Nps, *value),
            Value::Csat(value) => (pb::RatingScale::Csat, *value),
            Value::Ces(value, Direction::HighIsEasy) => (pb::RatingScale::CesHighIsEasy, *value),
            Value::Ces(value, Direction::HighIsHard) => (pb::RatingScale::CesHighIsHard, *value),
            Value::Text(_) => return None,
        };
        Some(pb::Rating { question_id: question_id.clone(), scale: scale.into(), value })
    };
    let answers = sent.answers.iter().map(|answer| (&answer.question_id, &answer.value));
    let message = pb::FeedbackSubmitted {
        feedback_id: feedback.id.to_string(),
        customer_id: uuid_text(sent.customer.id()),
        channel: sent.channel as i32,
        touchpoint: sent.touchpoint.clone(),
        branch_id: sent.branch_id.clone(),
        staff_id: sent.staff_id.clone(),
        status: sent.status as i32,
        answer_time: opt_timestamp(sent.answer_time),
        has_text: !sent.text.is_empty() || answers.clone().any(|(_, value)| matches!(value, Value::Text(_))),
        ratings: answers.filter_map(rating).collect(),
    };
    Event {
        tenant_id: tenant.id().to_owned(),
        aggregate_id: feedback.id,
        aggregate_seq: 1,
        order_key: machine_now,
        kind: "rapport.feedback.v1.FeedbackSubmitted",
        traceparent: traceparent.to_owned(),
        payload: message.encode_to_vec(),
    }
}

/// A step of a case, which is also the number of its event. Moves the case's order key on.
pub(super) fn stepped(
    tenant: &Tenant,
    case: &mut Case,
    step: &Step,
    traceparent: &str,
    machine_now: i64,
) -> Event {
    case.order_key = events::next_order_key(machine_now, case.order_key);
    let order_key = case.order_key;
    Event { order_key, traceparent: traceparent.to_owned(), ..fact_of_step(tenant, case, step) }
}

/// A step that was taken, as a fact of the service's state: its order key is when it was taken.
pub(super) fn fact_of_step(tenant: &Tenant, case: &Case, step: &Step) -> Event {
    let (kind, payload) = encode(case, step);
    Event {
        tenant_id: tenant.id().to_owned(),
        aggregate_id: case.id,
        aggregate_seq: step.seq,
        order_key: step.step_time.micros(),
        kind,
        traceparent: String::new(),
        payload,
    }
}

fn encode(case: &Case, step: &Step) -> (&'static str, Vec<u8>) {
    let (case_id, customer_id) = (case.id.to_string(), uuid_text(case.customer_id));
    let at = opt_timestamp(step.step_time);
    match step.action {
        Action::Opened => {
            let message = pb::CaseOpened {
                case_id,
                feedback_id: case.feedback_id.to_string(),
                customer_id,
                priority: case.priority as i32,
                reason: case.reason as i32,
                open_time: at,
                respond_due_time: opt_timestamp(case.respond_due_time),
                resolve_due_time: opt_timestamp(case.resolve_due_time),
            };
            ("rapport.feedback.v1.CaseOpened", message.encode_to_vec())
        }
        Action::Assigned => {
            let agent_id = step.agent_id.clone();
            let message = pb::CaseAssigned { case_id, customer_id, agent_id, assign_time: at };
            ("rapport.feedback.v1.CaseAssigned", message.encode_to_vec())
        }
        Action::Responded => {
            let first = case.first_response_time == step.step_time;
            let message = pb::CaseResponded { case_id, customer_id, respond_time: at, first };
            ("rapport.feedback.v1.CaseResponded", message.encode_to_vec())
        }
        Action::Resolved => {
            let message = pb::CaseResolved {
                case_id,
                customer_id,
                remedy_code: step.remedy_code.clone(),
                resolve_time: at,
                open_time: opt_timestamp(case.open_time),
            };
            ("rapport.feedback.v1.CaseResolved", message.encode_to_vec())
        }
    }
}
