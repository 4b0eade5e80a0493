//! What every handler does around its own work: who calls, and the way of a mutation there and back.

use db::Tx;
use futures::future::BoxFuture;
use prost::Message;
use rpc::Problem;
use tonic::{Request, Status};
use tonic_types::Status as StoredStatus;
use uuid::Uuid;

use super::Api;
use super::once::{Answer, Call, Once, Written, once};
use super::refusal::{DOMAIN, request_id_reused};
use crate::store::{Owner, Tenant};

/// The caller of a request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) tenant: Tenant,
    subject: String,
    extensions: tonic::Extensions,
}

impl Caller {
    /// Takes a request apart.
    pub(super) fn open<T>(request: Request<T>) -> Result<(Caller, T), Status> {
        let principal = rpc::principal(&request)?;
        let (_, extensions, message) = request.into_parts();
        let subject = principal.subject.to_string();
        Ok((Caller { tenant: Tenant::new(&principal.tenant), subject, extensions }, message))
    }

    /// The record of a call of this caller.
    pub(super) fn call<M: Message>(&self, method: &'static str, request_id: Uuid, message: &M) -> Call {
        Call { request_id, method, body: message.encode_to_vec(), subject: self.subject.clone() }
    }
}

impl Api {
    /// Runs a mutation to its end even if the caller goes away, once per request id of its scope. Returns the
    /// response, now or stored.
    pub(super) async fn submit_once<R, F>(
        &self,
        caller: &Caller,
        scope: Owner,
        call: Call,
        work: F,
    ) -> Result<(R, bool), Status>
    where
        R: Message + Default,
        F: for<'a> Fn(&'a Tx) -> BoxFuture<'a, Result<Written, db::Error>> + Send + Sync + 'static,
    {
        let (db, command) = (self.db.clone(), Once { scope, call, now: self.clock.now() });
        let run = async move { once(&db, command, work).await };
        let answer = rpc::run_to_completion(&caller.extensions, run).await?;
        response(answer.map_err(|error| told(&error))?)
    }
}

/// An answer as a response with its `replayed` flag, or as the error that it is.
fn response<R: Message + Default>(answer: Answer) -> Result<(R, bool), Status> {
    match answer {
        Answer::Written { written: Written { status: 0, bytes }, replayed } => {
            let decoded = R::decode(bytes.as_slice()).map_err(|e| rpc::internal(&e))?;
            Ok((decoded, replayed))
        }
        Answer::Written { written, .. } => {
            // The stored bytes are the answer, so every replay is the same to the bit.
            let stored = StoredStatus::decode(written.bytes.as_slice()).map_err(|e| rpc::internal(&e))?;
            Err(Status::with_details(stored.code.into(), stored.message, written.bytes.into()))
        }
        Answer::Reused { field } => Err(request_id_reused(&field).to_status()),
    }
}

/// A database error as the caller may see it.
pub(super) fn told(error: &db::Error) -> Status {
    match error {
        db::Error::Unavailable(_) | db::Error::Busy(_) | db::Error::CommitUnknown(_) => {
            tracing::warn!(%error, "the database is not available");
            let message = "the database is not available; send the same request_id again";
            Problem::unavailable(DOMAIN, "DATABASE_UNAVAILABLE", message).to_status()
        }
        db::Error::Settings(_)
        | db::Error::Constraint(_)
        | db::Error::Damaged(_)
        | db::Error::Aborted
        | db::Error::Other(_) => rpc::internal(error),
    }
}
