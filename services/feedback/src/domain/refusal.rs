//! Why something is refused.

use ambient::Time;
use uuid::Uuid;

use super::CaseState;

/// A refusal of the domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another content was taken under the same identity.
    SubmissionExists {
        /// The record that was taken.
        feedback_id: Uuid,
        /// The first field in which they differ.
        field: &'static str,
    },
    /// It is said to have been answered later than now.
    AnsweredInFuture {
        /// When it is said to have been.
        answered: Time,
        /// Now.
        now: Time,
    },
    /// A submission before it in its batch was refused.
    BatchStopped,
    /// The case is in a state that does not allow it.
    CaseState {
        /// The state.
        state: CaseState,
    },
    /// The case has changed since it was read.
    VersionMismatch {
        /// As it was read.
        expected: i64,
        /// As it is.
        actual: i64,
    },
}
