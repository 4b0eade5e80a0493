//! Refusals of the domain as gRPC errors: one code and one reason each, listed in `docs/errors.md`.

use rpc::Problem;
use tonic::Code;
use uuid::Uuid;

use crate::domain::Refusal;

pub(crate) const DOMAIN: &str = "rapport.feedback";

pub(super) fn problem(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::SubmissionExists { feedback_id, field } => Problem::new(
            Code::AlreadyExists,
            DOMAIN,
            "SUBMISSION_EXISTS",
            format!("this submission_id of this source was taken with another {field}"),
        )
        .with("feedback_id", feedback_id)
        .with("field", field),
        Refusal::AnsweredInFuture { answered, now } => Problem::precondition(
            DOMAIN,
            "ANSWERED_IN_FUTURE",
            format!("the answer is said to be from {answered}, which lies after {now}"),
        )
        .with("answer_time", answered)
        .with("now", now),
        Refusal::BatchStopped => {
            let message = "it was not taken, because another submission of its batch was refused";
            Problem::aborted(DOMAIN, "BATCH_STOPPED", message)
        }
        Refusal::CaseState { state } => Problem::precondition(
            DOMAIN,
            "CASE_STATE",
            format!("a case that is {} does not allow this", state.name()),
        )
        .with("state", state.name()),
        Refusal::VersionMismatch { expected, actual } => Problem::aborted(
            DOMAIN,
            "VERSION_MISMATCH",
            format!("the case has version {actual}, not {expected}; read it again"),
        )
        .with("expected", expected)
        .with("actual", actual),
    }
}

pub(super) fn feedback_not_found(feedback_id: Uuid) -> Problem {
    let message = "there is no such feedback";
    Problem::not_found(DOMAIN, "FEEDBACK_NOT_FOUND", message).with("feedback_id", feedback_id)
}

pub(super) fn case_not_found(case_id: Uuid) -> Problem {
    Problem::not_found(DOMAIN, "CASE_NOT_FOUND", "there is no such case").with("case_id", case_id)
}
