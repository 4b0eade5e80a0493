//! When feedback is a complaint: a detractor, or somebody who is not satisfied.

use super::{Answer, Priority, Reason, Value};

/// Answers up to this one are a detractor's (Reichheld 2003).
const DETRACTOR_MAX: i32 = 6;
/// Answers up to this one are the bottom two boxes of five.
const DISSATISFIED_MAX: i32 = 2;
/// Detractors up to this one cannot wait.
const NPS_WORST_MAX: i32 = 2;
/// The worst of five boxes.
const CSAT_WORST: i32 = 1;

/// Why a case is opened, and how pressing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The first bad answer decides.
    pub reason: Reason,
    /// The worst one decides.
    pub priority: Priority,
}

/// What the answers complain of, if they do.
pub fn complaint(answers: &[Answer]) -> Option<Complaint> {
    answers
        .iter()
        .filter_map(|answer| bad(&answer.value))
        .reduce(|first, next| Complaint { reason: first.reason, priority: first.priority.max(next.priority) })
}

fn bad(value: &Value) -> Option<Complaint> {
    let priority = |worst: bool| if worst { Priority::High } else { Priority::Normal };
    match value {
        Value::Nps(n) if *n <= DETRACTOR_MAX => {
            Some(Complaint { reason: Reason::Detractor, priority: priority(*n <= NPS_WORST_MAX) })
        }
        Value::Csat(n) if *n <= DISSATISFIED_MAX => {
            Some(Complaint { reason: Reason::LowSatisfaction, priority: priority(*n <= CSAT_WORST) })
        }
        Value::Nps(_) | Value::Csat(_) | Value::Ces(..) | Value::Text(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[Value]) -> Option<(Reason, Priority)> {
        let answer = |value: &Value| Answer { question_id: String::new(), value: value.clone() };
        let answers: Vec<Answer> = values.iter().map(answer).collect();
        complaint(&answers).map(|c| (c.reason, c.priority))
    }

    #[test]
    fn detractors_and_the_dissatisfied_complain_and_nobody_else() {
        let nps =
            |range: std::ops::RangeInclusive<i32>| range.map(|n| of(&[Value::Nps(n)])).collect::<Vec<_>>();
        assert!(nps(7..=10).iter().all(Option::is_none));
        assert!(nps(3..=6).iter().all(|c| *c == Some((Reason::Detractor, Priority::Normal))));
        assert!(nps(0..=2).iter().all(|c| *c == Some((Reason::Detractor, Priority::High))));
        let csat: Vec<_> = (1..=5).map(|n| of(&[Value::Csat(n)]).map(|(_, priority)| priority)).collect();
        assert_eq!(csat, [Some(Priority::High), Some(Priority::Normal), None, None, None]);
        assert_eq!(of(&[Value::Text("terrible".into())]), None);
    }

    #[test]
    fn the_first_bad_answer_is_the_reason_and_the_worst_the_priority() {
        let values = [Value::Csat(5), Value::Csat(2), Value::Nps(0)];
        assert_eq!(of(&values), Some((Reason::LowSatisfaction, Priority::High)));
    }
}
