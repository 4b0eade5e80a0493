//! Refusals as values: a code, a reason from a closed list, every dynamic value as metadata, and the standard
//! details that clients act on. What is not a refusal is a fault, and a fault tells its caller a trace id, no
//! more.

mod internal;
mod wire;

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

pub use internal::{internal, internal_because, panicked};
pub use wire::{from_proto, to_proto};

/// When to try again if the one who refuses does not know better.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// One refusal. Becomes a [`Status`] at the edge, and bytes where it is stored to be answered again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of refusal; clients branch on it.
    pub code: Code,
    /// UPPER_SNAKE, listed in `docs/errors.md`.
    pub reason: Cow<'static, str>,
    /// `rapport.<service>`.
    pub domain: Cow<'static, str>,
    /// One sentence for a person.
    pub message: String,
    /// Every dynamic value of the message, for machines.
    pub metadata: Vec<(String, String)>,
    /// What the standard details say beyond it.
    pub details: Box<Details>,
}

/// The rarer parts of a [`Problem`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Field paths and what is wrong with each.
    pub fields: Vec<(String, String)>,
    /// What the precondition or quota is about (`member/…`); the domain if none.
    pub subject: Option<String>,
    /// When the same call may succeed.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// A refusal without details.
    pub fn new(
        code: Code,
        domain: impl Into<Cow<'static, str>>,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Problem {
        Problem {
            code,
            reason: reason.into(),
            domain: domain.into(),
            message: message.into(),
            metadata: Vec::new(),
            details: Box::default(),
        }
    }

    /// INVALID_ARGUMENT; name the fields with [`Problem::field`].
    pub fn invalid(domain: &'static str, reason: &'static str, message: impl Into<String>) -> Problem {
        Problem::new(Code::InvalidArgument, domain, reason, message)
    }

    /// FAILED_PRECONDITION: a business rule says no.
    pub fn precondition(domain: &'static str, reason: &'static str, message: impl Into<String>) -> Problem {
        Problem::new(Code::FailedPrecondition, domain, reason, message)
    }

    /// NOT_FOUND, also where the thing belongs to another tenant.
    pub fn not_found(domain: &'static str, reason: &'static str, message: impl Into<String>) -> Problem {
        Problem::new(Code::NotFound, domain, reason, message)
    }

    /// ABORTED: somebody else was faster; read again.
    pub fn aborted(domain: &'static str, reason: &'static str, message: impl Into<String>) -> Problem {
        Problem::new(Code::Aborted, domain, reason, message)
    }

    /// UNAVAILABLE: nothing happened, try again later.
    pub fn unavailable(domain: &'static str, reason: &'static str, message: impl Into<String>) -> Problem {
        Problem::new(Code::Unavailable, domain, reason, message)
    }

    /// RESOURCE_EXHAUSTED: a quota is used up.
    pub fn exhausted(domain: &'static str, reason: &'static str, message: impl Into<String>) -> Problem {
        Problem::new(Code::ResourceExhausted, domain, reason, message)
    }

    /// Adds a dynamic value.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl ToString) -> Problem {
        self.metadata.push((key.into(), value.to_string()));
        self
    }

    /// Adds a field that is wrong.
    #[must_use]
    pub fn field(mut self, path: impl Into<String>, description: impl Into<String>) -> Problem {
        self.details.fields.push((path.into(), description.into()));
        self
    }

    /// Says what the refusal is about.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Problem {
        self.details.subject = Some(subject.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Problem {
        self.details.retry_after = Some(delay);
        self
    }

    /// The refusal as a gRPC status.
    pub fn to_status(&self) -> Status {
        Status::with_error_details(self.code, self.message.clone(), self.error_details())
    }

    fn error_details(&self) -> ErrorDetails {
        let metadata: HashMap<String, String> = self.metadata.iter().cloned().collect();
        let mut details = ErrorDetails::with_error_info(&*self.reason, &*self.domain, metadata);
        let subject = self.details.subject.as_deref().unwrap_or(&self.domain);
        if self.code == Code::FailedPrecondition {
            details.add_precondition_failure_violation(&*self.reason, subject, &*self.message);
        }
        if self.code == Code::ResourceExhausted {
            details.add_quota_failure_violation(subject, &*self.message);
        }
        for (path, description) in &self.details.fields {
            details.add_bad_request_violation(path, description);
        }
        let default = (self.code == Code::Unavailable).then_some(RETRY_AFTER);
        if let Some(delay) = self.details.retry_after.or(default) {
            details.set_retry_info(Some(delay));
        }
        details
    }
}

impl From<Problem> for Status {
    fn from(problem: Problem) -> Status {
        problem.to_status()
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

impl std::error::Error for Problem {}
