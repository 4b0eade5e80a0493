//! Why a command failed, as one line for a person, and the exit code that goes with it.

use std::error::Error;
use std::process::ExitCode;

use rpc::Problem;
use tonic::Status;

/// A command that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Arguments, settings or files that cannot be right: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Anything else, an audit that found something included: exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl Failure {
    /// Exit code 2.
    pub fn usage(line: impl Into<String>) -> Failure {
        Failure::Usage(line.into())
    }

    /// Exit code 1.
    pub fn failed(line: impl Into<String>) -> Failure {
        Failure::Failed(line.into())
    }

    /// What the process ends with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Failed(_) => ExitCode::from(1),
        }
    }
}

/// The refusal of a server on one line: its reason, its message, and the fields that are wrong.
pub(crate) fn line_of(status: &Status) -> String {
    let problem = Problem::from_status(status);
    let mut line = format!("{}: {}", problem.reason, problem.message);
    let names = |path: &str| problem.message.contains(path);
    for (path, what) in problem.details.fields.iter().filter(|(path, _)| !names(path)) {
        line.push_str(&format!("; {path}: {what}"));
    }
    line
}

/// An error with its causes on one line, none of them twice.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !line.contains(&told) {
            line.push_str(": ");
            line.push_str(&told);
        }
        cause = error.source();
    }
    line.replace('\n', " ")
}

impl From<Status> for Failure {
    fn from(status: Status) -> Failure {
        Failure::Failed(line_of(&status))
    }
}

impl From<rpc::client::Error> for Failure {
    fn from(error: rpc::client::Error) -> Failure {
        match &error {
            rpc::client::Error::Target { .. } => Failure::Usage(error.to_string()),
            rpc::client::Error::NobodyAnswers { .. } | rpc::client::Error::Descriptors(_) => {
                Failure::Failed(error.to_string())
            }
        }
    }
}

impl From<rpc::server::Error> for Failure {
    fn from(error: rpc::server::Error) -> Failure {
        match &error {
            rpc::server::Error::Open(_) | rpc::server::Error::OpenInternal(_) => {
                Failure::Usage(error.to_string())
            }
            rpc::server::Error::AddressInUse { .. }
            | rpc::server::Error::Listen { .. }
            | rpc::server::Error::Descriptors(_) => Failure::Failed(error.to_string()),
        }
    }
}

impl From<db::Error> for Failure {
    fn from(error: db::Error) -> Failure {
        Failure::Failed(chain(&error))
    }
}

impl From<telemetry::Error> for Failure {
    fn from(error: telemetry::Error) -> Failure {
        Failure::Usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_line_with_its_reason_and_fields() {
        let problem = Problem::invalid("rapport.test", "INVALID_REQUEST", "the request is not valid")
            .field("program.tiers", "the first threshold must be zero");
        assert_eq!(
            line_of(&problem.to_status()),
            "INVALID_REQUEST: the request is not valid; program.tiers: the first threshold must be zero"
        );
    }

    #[test]
    fn causes_are_told_once() {
        let inner = std::io::Error::other("no route");
        let outer = Failure::Failed("no route".into());
        assert_eq!(chain(&inner), "no route");
        assert_eq!(chain(&outer), "no route");
    }
}
