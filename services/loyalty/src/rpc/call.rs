//! What every handler does around its own work: who calls, until when, and the way to the ledger and back.

use std::time::Duration;

use prost::Message;
use rpc::{Deadline, Problem};
use tokio::time::Instant;
use tonic::{Request, Status};
use tonic_types::Status as StoredStatus;
use uuid::Uuid;

use super::Api;
use super::refusal::{DOMAIN, member_not_found, request_id_reused};
use crate::domain::Command;
use crate::ledger::{self, Answer, Answered, Call, Failure, Once, Written};
use crate::store::{Owner, Tenant};

/// Callers without a deadline, outside of the server layers, wait this long.
const DEADLINE_DEFAULT: Duration = Duration::from_secs(30);

/// The caller of a request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) tenant: Tenant,
    pub(super) subject: String,
    pub(super) deadline: Instant,
    extensions: tonic::Extensions,
}

impl Caller {
    /// Takes a request apart.
    pub(super) fn open<T>(request: Request<T>) -> Result<(Caller, T), Status> {
        let principal = rpc::principal(&request)?;
        let (_, extensions, message) = request.into_parts();
        let deadline = extensions.get::<Deadline>().map(|d| d.0);
        let caller = Caller {
            tenant: Tenant::new(&principal.tenant),
            subject: principal.subject.to_string(),
            deadline: deadline.unwrap_or_else(|| Instant::now() + DEADLINE_DEFAULT),
            extensions,
        };
        Ok((caller, message))
    }

    /// Runs a mutation to its end even if the caller goes away.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        mutation: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Status> {
        rpc::run_to_completion(&self.extensions, mutation).await
    }

    /// The record of a call of this caller.
    pub(super) fn call<M: Message>(
        &self,
        method: &'static str,
        request_id: Uuid,
        message: &M,
        encode: fn(&Answered<'_>) -> Written,
    ) -> Call {
        Call { request_id, method, body: message.encode_to_vec(), subject: self.subject.clone(), encode }
    }
}

impl Api {
    /// Sends a command on a member's wallet through its lane and returns the response, now or stored.
    pub(super) async fn submit<R: Message + Default>(
        &self,
        caller: &Caller,
        member_id: Uuid,
        command: Command,
        call: Call,
    ) -> Result<(R, bool), Status> {
        let request = ledger_request(caller, member_id, command, call);
        let (api, deadline) = (self.clone(), caller.deadline);
        let work = async move { api.lanes.submit(request, deadline).await };
        let answer = caller.run(work).await?;
        response(answer, member_id)
    }

    /// Runs a command on the catalogue, once per request id of its scope.
    pub(super) async fn submit_once<R, F>(
        &self,
        caller: &Caller,
        command: Once,
        work: F,
    ) -> Result<(R, bool), Status>
    where
        R: Message + Default,
        F: for<'a> Fn(&'a db::Tx) -> futures::future::BoxFuture<'a, Result<Written, db::Error>>
            + Send
            + Sync
            + 'static,
    {
        let (db, bell) = (self.db.clone(), self.bell.clone());
        let run = async move { ledger::once(&db, command, work).await.inspect(|_| bell.ring()) };
        let answer = caller.run(run).await?;
        response(Ok(answer.map_err(|error| told(&error))?), Uuid::nil())
    }

    /// Applies what is due to a wallet, so that its rows say what its balance says.
    pub(super) async fn settle(&self, caller: &Caller, member_id: Uuid) -> Result<(), Status> {
        let owner = Owner::new(&caller.tenant, member_id);
        let command = Command::Settle;
        let request = ledger::Request { owner, command, call: None, traceparent: String::new() };
        match self.lanes.submit(request, caller.deadline).await {
            Ok(Answer::Written { .. }) => Ok(()),
            answer => response::<()>(answer, member_id).map(|_| ()),
        }
    }
}

pub(super) fn ledger_request(
    caller: &Caller,
    member_id: Uuid,
    command: Command,
    call: Call,
) -> ledger::Request {
    ledger::Request {
        owner: Owner::new(&caller.tenant, member_id),
        command,
        call: Some(call),
        traceparent: telemetry::traceparent().unwrap_or_default(),
    }
}

/// An answer as a response with its `replayed` flag, or as the error that it is.
pub(super) fn response<R: Message + Default>(
    answer: Result<Answer, Failure>,
    member_id: Uuid,
) -> Result<(R, bool), Status> {
    match answer {
        Ok(Answer::Written { written: Written { status: 0, bytes }, replayed }) => {
            let decoded = R::decode(bytes.as_slice()).map_err(|e| rpc::internal(&e))?;
            Ok((decoded, replayed))
        }
        Ok(Answer::Written { written, .. }) => {
            // The stored bytes are the answer, so every replay is the same to the bit.
            let stored = StoredStatus::decode(written.bytes.as_slice()).map_err(|e| rpc::internal(&e))?;
            Err(Status::with_details(stored.code.into(), stored.message, written.bytes.into()))
        }
        Ok(Answer::NoWallet) => Err(member_not_found(&member_id.to_string()).to_status()),
        Ok(Answer::Reused { field }) => Err(request_id_reused(&field).to_status()),
        Ok(Answer::Panicked) => Err(rpc::error::internal_because("a decision broke an invariant")),
        Err(failure) => Err(failed(failure)),
    }
}

fn failed(failure: Failure) -> Status {
    match failure {
        Failure::DeadlineExceeded => {
            let message = "the deadline passed before the command was begun; nothing was done";
            Problem::new(tonic::Code::DeadlineExceeded, DOMAIN, "DEADLINE_EXCEEDED", message).to_status()
        }
        Failure::Unavailable => {
            let message = "the database is not available; send the same request_id again";
            Problem::unavailable(DOMAIN, "DATABASE_UNAVAILABLE", message).to_status()
        }
        Failure::Internal => rpc::error::internal_because("the database refused a command"),
    }
}

/// A database error as the caller may see it.
pub(super) fn told(error: &db::Error) -> Status {
    match error {
        db::Error::Unavailable(_) | db::Error::Busy(_) | db::Error::CommitUnknown(_) => {
            tracing::warn!(%error, "the database is not available");
            failed(Failure::Unavailable)
        }
        db::Error::Settings(_)
        | db::Error::Constraint(_)
        | db::Error::Damaged(_)
        | db::Error::Aborted
        | db::Error::Other(_) => rpc::internal(error),
    }
}
