//! The rules of feedback, pure: what a submission is, when it becomes a case, and how a case goes on.

mod case;
mod complaint;
mod customer;
mod feedback;
mod refusal;
mod submission;
mod work;

pub use case::{Action, Case, CaseState, Priority, Reason, Step};
pub use complaint::{Complaint, complaint};
pub use customer::Customer;
pub use feedback::{Answer, Channel, Direction, Feedback, ResponseStatus, Submission, Value};
pub use refusal::Refusal;
pub use submission::{Taken, feedback_id, take};
pub use work::{Work, work};
