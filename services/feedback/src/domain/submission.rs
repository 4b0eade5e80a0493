//! Taking a submission: once by its identity, whatever its content, and with the case that it opens.

use ambient::Time;
use uuid::Uuid;

use super::{Case, Feedback, Refusal, Step, Submission, complaint};

/// Callers' clocks may run ahead by this much.
const SKEW_MAX_MICROS: i64 = 5 * 60 * 1_000_000;

/// What a submission leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The record.
    pub feedback: Feedback,
    /// The case that it opened, with its first step; none if nobody complains, or if it was there already.
    pub opened: Option<(Case, Step)>,
    /// True if it was there already.
    pub replayed: bool,
}

/// The id of a submission: the same however often it is sent.
pub fn feedback_id(source_id: &str, submission_id: &str) -> Uuid {
    // The length keeps ("a/b", "c") and ("a", "b/c") apart.
    let name = format!("rapport feedback {}/{source_id}/{submission_id}", source_id.len());
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

/// Takes a submission. `known` is the record with its identity, if there is one.
///
/// # Errors
/// `SubmissionExists` if `known` has another content, `AnsweredInFuture`.
pub fn take(given: &Submission, known: Option<&Feedback>, now: Time) -> Result<Taken, Refusal> {
    if let Some(known) = known {
        return match difference(&known.sent, given) {
            None => Ok(Taken { feedback: known.clone(), opened: None, replayed: true }),
            Some(field) => Err(Refusal::SubmissionExists { feedback_id: known.id, field }),
        };
    }
    let answered = given.answer_time;
    if !answered.is_never() && answered > now.plus_micros(SKEW_MAX_MICROS) {
        return Err(Refusal::AnsweredInFuture { answered, now });
    }
    let id = feedback_id(&given.source_id, &given.submission_id);
    let opened =
        complaint(&given.answers).map(|complaint| Case::open(id, given.customer.id(), complaint, now));
    let feedback = Feedback {
        id,
        ingest_time: now,
        case_id: opened.as_ref().map_or(Uuid::nil(), |(case, _)| case.id),
        sent: Submission { answer_time: if answered.is_never() { now } else { answered }, ..given.clone() },
    };
    Ok(Taken { feedback, opened, replayed: false })
}

/// The first field in which what is sent now differs from what was taken; a time that is left open differs
/// from none.
fn difference(known: &Submission, given: &Submission) -> Option<&'static str> {
    let answered = given.answer_time.is_never() || given.answer_time == known.answer_time;
    let same = [
        ("channel", known.channel == given.channel),
        ("customer", known.customer == given.customer),
        ("touchpoint", known.touchpoint == given.touchpoint),
        ("branch_id", known.branch_id == given.branch_id),
        ("staff_id", known.staff_id == given.staff_id),
        ("invite_time", known.invite_time == given.invite_time),
        ("start_time", known.start_time == given.start_time),
        ("answer_time", answered),
        ("status", known.status == given.status),
        ("answers", known.answers == given.answers),
        ("text", known.text == given.text),
        ("language", known.language == given.language),
        ("consent_scope", known.consent_scope == given.consent_scope),
        ("attributes", known.attributes == given.attributes),
    ];
    same.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, Channel, Customer, Priority, ResponseStatus, Value};
    use super::*;

    const NOW: Time = Time::from_micros(1_767_225_600_000_000);

    fn submission(values: &[Value]) -> Submission {
        let answer =
            |(i, value): (usize, &Value)| Answer { question_id: format!("q{i}"), value: value.clone() };
        Submission {
            source_id: "shop".into(),
            submission_id: "1".into(),
            channel: Channel::SurveyWeb,
            customer: Customer::External("42".into()),
            touchpoint: "delivery".into(),
            branch_id: String::new(),
            staff_id: String::new(),
            invite_time: Time::NEVER,
            start_time: Time::NEVER,
            answer_time: Time::NEVER,
            status: ResponseStatus::Answered,
            answers: values.iter().enumerate().map(answer).collect(),
            text: String::new(),
            language: String::new(),
            consent_scope: String::new(),
            attributes: Vec::new(),
        }
    }

    #[test]
    fn a_bad_answer_opens_one_case_and_the_same_submission_no_other() {
        let given = submission(&[Value::Nps(9), Value::Csat(1)]);
        let taken = take(&given, None, NOW).unwrap();
        let (case, step) = taken.opened.clone().unwrap();
        assert_eq!((case.id, case.priority, step.seq), (taken.feedback.case_id, Priority::High, 1));
        assert_eq!(case.customer_id, given.customer.id());
        assert_eq!(taken.feedback.sent.answer_time, NOW);
        let again = take(&given, Some(&taken.feedback), NOW.plus_micros(5)).unwrap();
        assert_eq!(again, Taken { feedback: taken.feedback, opened: None, replayed: true });
        assert_eq!(take(&submission(&[Value::Nps(7)]), None, NOW).unwrap().opened, None);
    }

    #[test]
    fn another_content_under_the_same_identity_is_refused_by_its_field() {
        let given = submission(&[Value::Nps(7)]);
        let known = take(&given, None, NOW).unwrap().feedback;
        let field = |changed: Submission| match take(&changed, Some(&known), NOW) {
            Err(Refusal::SubmissionExists { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(submission(&[Value::Nps(8)])), "answers");
        assert_eq!(field(Submission { text: "hm".into(), ..given.clone() }), "text");
        assert_eq!(field(Submission { customer: Customer::Unknown, ..given.clone() }), "customer");
        assert_eq!(field(Submission { answer_time: NOW.plus_micros(1), ..given.clone() }), "answer_time");
    }

    #[test]
    fn answers_may_lie_in_the_past_and_five_minutes_in_the_future() {
        let at = |micros| Submission { answer_time: NOW.plus_micros(micros), ..submission(&[Value::Nps(7)]) };
        for micros in [-1_000_000_000, SKEW_MAX_MICROS] {
            let taken = take(&at(micros), None, NOW).unwrap().feedback;
            assert_eq!(taken.sent.answer_time, NOW.plus_micros(micros));
            assert!(take(&at(micros), Some(&taken), NOW).unwrap().replayed);
        }
        let refused = take(&at(SKEW_MAX_MICROS + 1), None, NOW);
        assert!(matches!(refused, Err(Refusal::AnsweredInFuture { .. })));
    }

    #[test]
    fn identities_do_not_run_into_each_other() {
        let ids =
            [feedback_id("a/b", "c"), feedback_id("a", "b/c"), feedback_id("a", "c"), feedback_id("c", "a")];
        assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), ids.len());
    }
}
