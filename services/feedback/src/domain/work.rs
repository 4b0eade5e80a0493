//! Work on a case: who may do what to it in which state.
//!
//! NEW is assigned before anything else is done; ASSIGNED and IN_PROGRESS may be assigned again, answered any
//! number of times, and resolved; RESOLVED is the end.

use ambient::Time;

use super::{Action, Case, CaseState, Refusal, Step};

/// What is done to a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Give it to an agent.
    Assign {
        /// Whom.
        agent_id: String,
    },
    /// Answer the customer.
    Respond,
    /// End it.
    Resolve {
        /// How it was made good.
        remedy_code: String,
    },
}

/// The case after it, with the step that says so. `version` is that of the case as its reader knew it, 0 for
/// any; `subject` did it.
///
/// # Errors
/// `VersionMismatch` if the case has changed since; `CaseState` if its state does not allow it.
pub fn work(
    case: &Case,
    work: &Work,
    version: i64,
    (subject, note): (&str, &str),
    now: Time,
) -> Result<(Case, Step), Refusal> {
    if version != 0 && version != case.version {
        return Err(Refusal::VersionMismatch { expected: version, actual: case.version });
    }
    let mut next = case.clone();
    let (action, mut remedy) = match work {
        Work::Assign { agent_id } => {
            next.agent_id.clone_from(agent_id);
            if case.state == CaseState::New {
                next.state = CaseState::Assigned;
            }
            (Action::Assigned, "")
        }
        Work::Respond => {
            next.state = CaseState::InProgress;
            next.first_response_time = case.first_response_time.min(now);
            (Action::Responded, "")
        }
        Work::Resolve { .. } => {
            next.state = CaseState::Resolved;
            next.resolve_time = now;
            (Action::Resolved, "")
        }
    };
    if let Work::Resolve { remedy_code } = work {
        remedy = remedy_code;
    }
    let allowed = match case.state {
        CaseState::New => action == Action::Assigned,
        CaseState::Assigned | CaseState::InProgress => true,
        CaseState::Resolved => false,
    };
    if !allowed {
        return Err(Refusal::CaseState { state: case.state });
    }
    next.version = case.version.saturating_add(1);
    let step = Step {
        seq: next.version,
        step_time: now,
        subject: subject.to_owned(),
        action,
        from_state: Some(case.state),
        to_state: next.state,
        agent_id: next.agent_id.clone(),
        note: note.to_owned(),
        remedy_code: remedy.to_owned(),
    };
    Ok((next, step))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::{Complaint, Priority, Reason};
    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const START: Time = Time::from_micros(1_767_225_600_000_000);

    fn opened(priority: Priority) -> Case {
        let complaint = Complaint { reason: Reason::Detractor, priority };
        Case::open(Uuid::from_u128(1), Uuid::from_u128(2), complaint, START).0
    }

    fn at(hours: i64) -> Time {
        START.plus_micros(hours * HOUR)
    }

    fn assign(agent: &str) -> Work {
        Work::Assign { agent_id: agent.into() }
    }

    fn resolve() -> Work {
        Work::Resolve { remedy_code: "refund".into() }
    }

    fn done(case: &Case, what: &Work, hours: i64) -> Case {
        work(case, what, 0, ("ann", "because"), at(hours)).unwrap().0
    }

    #[test]
    fn a_case_goes_from_new_over_its_owner_to_its_ending_and_no_further() {
        let new = opened(Priority::Normal);
        let refused = Err(Refusal::CaseState { state: CaseState::New });
        assert_eq!(work(&new, &Work::Respond, 0, ("ann", ""), START), refused);
        assert_eq!(work(&new, &resolve(), 0, ("ann", ""), START), refused);
        let (assigned, step) = work(&new, &assign("bob"), 1, ("ann", "his street"), at(1)).unwrap();
        assert_eq!(
            (assigned.state, assigned.agent_id.as_str(), assigned.version),
            (CaseState::Assigned, "bob", 2)
        );
        assert_eq!((step.seq, step.subject.as_str(), step.note.as_str()), (2, "ann", "his street"));
        assert_eq!((step.from_state, step.to_state), (Some(CaseState::New), CaseState::Assigned));
        let answered = done(&assigned, &Work::Respond, 2);
        let again = done(&answered, &Work::Respond, 3);
        assert_eq!((again.state, again.first_response_time), (CaseState::InProgress, at(2)));
        let handed_on = done(&again, &assign("eve"), 4);
        assert_eq!((handed_on.state, handed_on.agent_id.as_str()), (CaseState::InProgress, "eve"));
        let (ended, step) = work(&handed_on, &resolve(), 0, ("eve", ""), at(5)).unwrap();
        assert_eq!((ended.state, ended.resolve_time), (CaseState::Resolved, at(5)));
        assert_eq!(step.remedy_code, "refund");
        for what in [assign("bob"), Work::Respond, resolve()] {
            let refused = work(&ended, &what, 0, ("ann", ""), at(6));
            assert_eq!(refused, Err(Refusal::CaseState { state: CaseState::Resolved }));
        }
    }

    #[test]
    fn what_was_read_before_a_change_changes_nothing() {
        let assigned = done(&opened(Priority::Normal), &assign("bob"), 1);
        let refused = work(&assigned, &assign("eve"), 1, ("ann", ""), at(2));
        assert_eq!(refused, Err(Refusal::VersionMismatch { expected: 1, actual: 2 }));
    }

    #[test]
    fn deadlines_are_breached_one_microsecond_after_them() {
        for (priority, respond, resolution) in [(Priority::Normal, 24, 72), (Priority::High, 4, 24)] {
            let case = opened(priority);
            assert!(!case.is_breached(at(respond)));
            assert!(case.is_breached(at(respond).plus_micros(1)));
            let answered = done(&done(&case, &assign("bob"), 0), &Work::Respond, respond);
            assert!(!answered.is_breached(at(resolution)));
            assert!(answered.is_breached(at(resolution).plus_micros(1)));
            let ended = done(&answered, &resolve(), resolution);
            assert!(!ended.is_breached(at(1_000)), "it ended in time");
            let late = done(&answered, &resolve(), resolution + 1);
            assert!(late.is_breached(at(resolution + 1)), "it stays late for ever");
        }
    }

    proptest! {
        /// Whatever is tried, the steps tell the whole history: their states form a chain, their numbers have
        /// no gaps, and nobody answers or ends what nobody owns.
        #[test]
        fn steps_form_a_chain(tried in proptest::collection::vec(0..3_usize, 0..40)) {
            let mut case = opened(Priority::Normal);
            for (hours, which) in tried.into_iter().enumerate() {
                let what = [assign("bob"), Work::Respond, resolve()][which].clone();
                let hours = i64::try_from(hours).unwrap();
                let worked = work(&case, &what, case.version, ("ann", ""), at(hours));
                let Ok((next, step)) = worked else { continue };
                prop_assert_eq!(step.from_state, Some(case.state));
                prop_assert_eq!((step.seq, step.to_state), (case.version + 1, next.state));
                prop_assert!(!next.agent_id.is_empty());
                prop_assert!(case.state != CaseState::Resolved);
                case = next;
            }
        }
    }
}
