//! Cases and their steps as messages.

use ambient::Time;
use proto::rapport::feedback::v1 as pb;
use requests::wire::{opt_timestamp, uuid_text};

use crate::domain::{Case, Step};

/// A case as it is at `now`, without its steps.
pub(super) fn message(case: &Case, now: Time) -> pb::Case {
    pb::Case {
        case_id: case.id.to_string(),
        feedback_id: case.feedback_id.to_string(),
        customer_id: uuid_text(case.customer_id),
        state: case.state as i32,
        priority: case.priority as i32,
        reason: case.reason as i32,
        agent_id: case.agent_id.clone(),
        open_time: opt_timestamp(case.open_time),
        respond_due_time: opt_timestamp(case.respond_due_time),
        resolve_due_time: opt_timestamp(case.resolve_due_time),
        first_response_time: opt_timestamp(case.first_response_time),
        resolve_time: opt_timestamp(case.resolve_time),
        breached: case.is_breached(now),
        version: case.version,
        steps: Vec::new(),
    }
}

/// A step.
pub(super) fn step_message(step: &Step) -> pb::CaseStep {
    pb::CaseStep {
        seq: step.seq,
        step_time: opt_timestamp(step.step_time),
        subject: step.subject.clone(),
        action: step.action as i32,
        from_state: step.from_state.map_or(0, |state| state as i32),
        to_state: step.to_state as i32,
        agent_id: step.agent_id.clone(),
        note: step.note.clone(),
        remedy_code: step.remedy_code.clone(),
    }
}
