//! A complaint on its way to an ending.

use ambient::Time;
use uuid::Uuid;

use super::Complaint;

/// How far a case is. The numbers are stored, and those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum CaseState {
    /// Nobody has it.
    New = 1,
    /// An agent has it.
    Assigned = 2,
    /// The customer has had a first answer.
    InProgress = 3,
    /// It has ended.
    Resolved = 4,
}

impl CaseState {
    /// All of them, in the order of their numbers.
    pub const ALL: [CaseState; 4] =
        [CaseState::New, CaseState::Assigned, CaseState::InProgress, CaseState::Resolved];

    /// The state with this number.
    pub fn from_number(number: i32) -> Option<CaseState> {
        CaseState::ALL.into_iter().find(|state| *state as i32 == number)
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            CaseState::New => "NEW",
            CaseState::Assigned => "ASSIGNED",
            CaseState::InProgress => "IN_PROGRESS",
            CaseState::Resolved => "RESOLVED",
        }
    }
}

/// How pressing a case is. The numbers are stored, and those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Priority {
    /// First answer within 24 hours, resolved within 72.
    Normal = 1,
    /// First answer within 4 hours, resolved within 24.
    High = 2,
}

impl Priority {
    /// The priority with this number.
    pub fn from_number(number: i32) -> Option<Priority> {
        [Priority::Normal, Priority::High].into_iter().find(|priority| *priority as i32 == number)
    }

    /// Hours until the first answer and until the resolution.
    fn hours(self) -> (i64, i64) {
        match self {
            Priority::Normal => (24, 72),
            Priority::High => (4, 24),
        }
    }
}

/// Why a case was opened. The numbers are stored, and those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Reason {
    /// NPS up to 6.
    Detractor = 1,
    /// CSAT up to 2.
    LowSatisfaction = 2,
}

impl Reason {
    /// The reason with this number.
    pub fn from_number(number: i32) -> Option<Reason> {
        [Reason::Detractor, Reason::LowSatisfaction].into_iter().find(|reason| *reason as i32 == number)
    }
}

/// What was done to a case. The numbers are stored, and those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Action {
    /// It was opened.
    Opened = 1,
    /// It was given to an agent.
    Assigned = 2,
    /// The customer was answered.
    Responded = 3,
    /// It was ended.
    Resolved = 4,
}

impl Action {
    /// The action with this number.
    pub fn from_number(number: i32) -> Option<Action> {
        let all = [Action::Opened, Action::Assigned, Action::Responded, Action::Resolved];
        all.into_iter().find(|action| *action as i32 == number)
    }
}

/// A case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Made from the feedback's.
    pub id: Uuid,
    /// The feedback that opened it.
    pub feedback_id: Uuid,
    /// From [`super::Customer::id`].
    pub customer_id: Uuid,
    /// How far it is.
    pub state: CaseState,
    /// How pressing it is.
    pub priority: Priority,
    /// Why it was opened.
    pub reason: Reason,
    /// Who works on it; empty if nobody does yet.
    pub agent_id: String,
    /// When it was opened.
    pub open_time: Time,
    /// Until when the customer must have a first answer.
    pub respond_due_time: Time,
    /// Until when it must be resolved.
    pub resolve_due_time: Time,
    /// When the customer had the first answer; `NEVER` before.
    pub first_response_time: Time,
    /// When it was resolved; `NEVER` before.
    pub resolve_time: Time,
    /// The number of its last step; each step is one event.
    pub version: i64,
    /// Order key of its last event.
    pub order_key: i64,
}

/// One change of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number within the case, from 1.
    pub seq: i64,
    /// When.
    pub step_time: Time,
    /// Who; empty for the service itself.
    pub subject: String,
    /// What.
    pub action: Action,
    /// The state before; none for the first.
    pub from_state: Option<CaseState>,
    /// The state after.
    pub to_state: CaseState,
    /// Who works on it after it.
    pub agent_id: String,
    /// Why, or what was answered.
    pub note: String,
    /// How it was made good; only of a resolution.
    pub remedy_code: String,
}

const MICROS_PER_HOUR: i64 = 3_600_000_000;

impl Case {
    /// A case of a feedback that complains, opened now, with its first step.
    pub fn open(feedback_id: Uuid, customer_id: Uuid, complaint: Complaint, now: Time) -> (Case, Step) {
        let (respond, resolve) = complaint.priority.hours();
        let case = Case {
            id: Uuid::new_v5(&feedback_id, b"case"),
            feedback_id,
            customer_id,
            state: CaseState::New,
            priority: complaint.priority,
            reason: complaint.reason,
            agent_id: String::new(),
            open_time: now,
            respond_due_time: now.plus_micros(respond.saturating_mul(MICROS_PER_HOUR)),
            resolve_due_time: now.plus_micros(resolve.saturating_mul(MICROS_PER_HOUR)),
            first_response_time: Time::NEVER,
            resolve_time: Time::NEVER,
            version: 1,
            order_key: 0,
        };
        let step = Step {
            seq: 1,
            step_time: now,
            subject: String::new(),
            action: Action::Opened,
            from_state: None,
            to_state: CaseState::New,
            agent_id: String::new(),
            note: String::new(),
            remedy_code: String::new(),
        };
        (case, step)
    }

    /// True if one of its deadlines was missed, or is missed at `now`. A resolution is an answer too.
    pub fn is_breached(&self, now: Time) -> bool {
        let answered = self.first_response_time.min(self.resolve_time).min(now);
        answered > self.respond_due_time || self.resolve_time.min(now) > self.resolve_due_time
    }
}
