//! The way back to the caller.

use prost::Message;
use rpc::Problem;
use tonic::Status;
use tonic_types::Status as StoredStatus;

use crate::{Answer, Written};

/// An answer as a response and whether it was replayed, or as the error that it is.
///
/// # Errors
/// The stored refusal, or INVALID_ARGUMENT (REQUEST_ID_REUSED).
pub fn response<R: Message + Default>(domain: &'static str, answer: Answer) -> Result<(R, bool), Status> {
    match answer {
        Answer::Written { written: Written { status: 0, bytes, .. }, replayed } => {
            let decoded = R::decode(bytes.as_slice()).map_err(|e| rpc::internal(&e))?;
            Ok((decoded, replayed))
        }
        Answer::Written { written, .. } => Err(refused(&written)),
        Answer::Reused { field } => Err(reused(domain, &field).to_status()),
    }
}

/// A refusal as it was stored: the bytes are the answer, so every replay is the same to the bit.
fn refused(written: &Written) -> Status {
    match StoredStatus::decode(written.bytes.as_slice()) {
        Ok(stored) => Status::with_details(stored.code.into(), stored.message, written.bytes.clone().into()),
        Err(error) => rpc::internal(&error),
    }
}

fn reused(domain: &'static str, field: &str) -> Problem {
    let message = format!("this request_id was used for a request with another {field}");
    Problem::invalid(domain, "REQUEST_ID_REUSED", message)
        .with("field", field)
        .field("request_id", "must be new for a new request")
}

/// A database error as the caller may see it: UNAVAILABLE (DATABASE_UNAVAILABLE), or INTERNAL and logged.
pub fn told(domain: &'static str, error: &db::Error) -> Status {
    match error {
        db::Error::Unavailable(_) | db::Error::Busy(_) | db::Error::CommitUnknown(_) => {
            tracing::warn!(%error, "the database is not available");
            let message = "the database is not available; send the same request_id again";
            Problem::unavailable(domain, "DATABASE_UNAVAILABLE", message).to_status()
        }
        db::Error::Settings(_)
        | db::Error::Constraint(_)
        | db::Error::Damaged(_)
        | db::Error::Aborted
        | db::Error::Other(_) => rpc::internal(error),
    }
}
