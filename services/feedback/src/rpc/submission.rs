//! Submissions and records as messages, in both directions.

use ambient::Time;
use proto::rapport::feedback::v1 as pb;
use proto::{Path, Violations};
use requests::wire::{opt_timestamp, time, uuid};

use crate::domain::{Answer, Channel, Customer, Direction, Feedback, ResponseStatus, Submission, Value};

/// A submission whose rules have been checked already.
pub(super) fn decode(given: &pb::Feedback, path: &Path<'_>, found: &mut Violations) -> Option<Submission> {
    let moment = |given: &Option<prost_types::Timestamp>, field, found: &mut Violations| {
        time(*given, path, field, found).unwrap_or(Time::NEVER)
    };
    let status = match given.status() {
        pb::ResponseStatus::Dismissed => ResponseStatus::Dismissed,
        pb::ResponseStatus::Unspecified | pb::ResponseStatus::Answered => ResponseStatus::Answered,
    };
    let silent = given.answers.is_empty() && given.text.is_empty();
    match status {
        ResponseStatus::Answered if silent => {
            found.add(path, "answers", "must have an item unless there is a text or it was dismissed");
        }
        ResponseStatus::Dismissed if !silent => {
            found.add(path, "status", "must not be DISMISSED when there is an answer or a text");
        }
        ResponseStatus::Answered | ResponseStatus::Dismissed => {}
    }
    Some(Submission {
        invite_time: moment(&given.invite_time, "invite_time", found),
        start_time: moment(&given.start_time, "start_time", found),
        answer_time: moment(&given.answer_time, "answer_time", found),
        answers: answers(&given.answers, path, found),
        attributes: attributes(&given.attributes, path, found),
        customer: customer(given.customer.as_ref(), &path.field("customer"), found),
        // Its rule has been checked: there is one.
        channel: Channel::from_number(given.channel)?,
        source_id: given.source_id.clone(),
        submission_id: given.submission_id.clone(),
        touchpoint: given.touchpoint.clone(),
        branch_id: given.branch_id.clone(),
        staff_id: given.staff_id.clone(),
        status,
        text: given.text.clone(),
        language: given.language.clone(),
        consent_scope: given.consent_scope.clone(),
    })
}

/// Who a message names.
pub(super) fn customer(given: Option<&pb::Customer>, path: &Path<'_>, found: &mut Violations) -> Customer {
    match given.and_then(|customer| customer.id.as_ref()) {
        None => Customer::Unknown,
        Some(pb::customer::Id::MemberId(id)) => Customer::Member(uuid(id, path, "member_id", found)),
        Some(pb::customer::Id::ExternalId(key)) => Customer::External(key.clone()),
        Some(pb::customer::Id::AnonymousToken(token)) => Customer::Anonymous(token.clone()),
    }
}

fn answers(given: &[pb::Answer], path: &Path<'_>, found: &mut Violations) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::with_capacity(given.len());
    for (i, answer) in given.iter().enumerate() {
        let path = path.item("answers", i);
        if answers.iter().any(|other| other.question_id == answer.question_id) {
            found.add(&path, "question_id", "must be unique within the submission");
        }
        let value = match &answer.value {
            Some(pb::answer::Value::Nps(value)) => Value::Nps(*value),
            Some(pb::answer::Value::Csat(value)) => Value::Csat(*value),
            Some(pb::answer::Value::Ces(effort)) => match effort.direction() {
                pb::EffortDirection::HighIsHard => Value::Ces(effort.value, Direction::HighIsHard),
                pb::EffortDirection::HighIsEasy | pb::EffortDirection::Unspecified => {
                    Value::Ces(effort.value, Direction::HighIsEasy)
                }
            },
            Some(pb::answer::Value::Text(text)) => Value::Text(text.clone()),
            None => continue,
        };
        answers.push(Answer { question_id: answer.question_id.clone(), value });
    }
    answers
}

fn attributes(given: &[pb::Attribute], path: &Path<'_>, found: &mut Violations) -> Vec<(String, String)> {
    let mut attributes: Vec<(String, String)> = Vec::with_capacity(given.len());
    for (i, attribute) in given.iter().enumerate() {
        if attributes.iter().any(|(name, _)| *name == attribute.name) {
            found.add(&path.item("attributes", i), "name", "must be unique within the submission");
        }
        attributes.push((attribute.name.clone(), attribute.value.clone()));
    }
    attributes
}

/// A record.
pub(super) fn message(feedback: &Feedback) -> pb::Feedback {
    let sent = &feedback.sent;
    let attribute =
        |(name, value): &(String, String)| pb::Attribute { name: name.clone(), value: value.clone() };
    pb::Feedback {
        feedback_id: feedback.id.to_string(),
        source_id: sent.source_id.clone(),
        submission_id: sent.submission_id.clone(),
        channel: sent.channel as i32,
        customer: customer_message(&sent.customer),
        touchpoint: sent.touchpoint.clone(),
        branch_id: sent.branch_id.clone(),
        staff_id: sent.staff_id.clone(),
        invite_time: opt_timestamp(sent.invite_time),
        start_time: opt_timestamp(sent.start_time),
        answer_time: opt_timestamp(sent.answer_time),
        ingest_time: opt_timestamp(feedback.ingest_time),
        status: sent.status as i32,
        answers: sent.answers.iter().map(answer_message).collect(),
        text: sent.text.clone(),
        language: sent.language.clone(),
        consent_scope: sent.consent_scope.clone(),
        attributes: sent.attributes.iter().map(attribute).collect(),
    }
}

/// The length of a record's texts in bytes, for pages.
pub(super) fn text_bytes(feedback: &Feedback) -> usize {
    let answers = feedback.sent.answers.iter().map(|answer| match &answer.value {
        Value::Text(text) => text.len(),
        Value::Nps(_) | Value::Csat(_) | Value::Ces(..) => 0,
    });
    let attributes = feedback.sent.attributes.iter().map(|(_, value)| value.len());
    feedback.sent.text.len() + answers.sum::<usize>() + attributes.sum::<usize>()
}

fn customer_message(customer: &Customer) -> Option<pb::Customer> {
    let id = match customer {
        Customer::Unknown => return None,
        Customer::Member(id) => pb::customer::Id::MemberId(id.to_string()),
        Customer::External(key) => pb::customer::Id::ExternalId(key.clone()),
        Customer::Anonymous(token) => pb::customer::Id::AnonymousToken(token.clone()),
    };
    Some(pb::Customer { id: Some(id) })
}

fn answer_message(answer: &Answer) -> pb::Answer {
    let value = match &answer.value {
        Value::Nps(value) => pb::answer::Value::Nps(*value),
        Value::Csat(value) => pb::answer::Value::Csat(*value),
        Value::Ces(value, direction) => {
            let direction = match direction {
                Direction::HighIsEasy => pb::EffortDirection::HighIsEasy,
                Direction::HighIsHard => pb::EffortDirection::HighIsHard,
            };
            pb::answer::Value::Ces(pb::Effort { value: *value, direction: direction.into() })
        }
        Value::Text(text) => pb::answer::Value::Text(text.clone()),
    };
    pb::Answer { question_id: answer.question_id.clone(), value: Some(value) }
}
