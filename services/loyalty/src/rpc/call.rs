//! What every handler does around its own work: who calls, until when, and the way to the ledger and back.

use futures::future::BoxFuture;
use prost::Message;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Once, Written, once};
use rpc::Problem;
use tonic::Status;
use uuid::Uuid;

use super::Api;
use super::refusal::{DOMAIN, member_not_found};
use super::wire::uuid;
use crate::domain::Command;
use crate::ledger::{self, Answer, Answered, Asked, Failure, Together};
use crate::store::Owner;

impl Api {
    /// Sends a command on a member's wallet through its lane and returns the response, now or stored.
    pub(super) async fn submit<R: Message + Default>(
        &self,
        caller: &Caller,
        member_id: Uuid,
        command: Command,
        call: Asked,
    ) -> Result<(R, bool), Status> {
        self.submit_request(caller, member_id, ledger_request(caller, member_id, command, call)).await
    }

    /// Sends what a request asks about one member, and nothing else, through its lane.
    pub(super) async fn submit_about<M: Message, R: Message + Default>(
        &self,
        (caller, message, method): (Caller, &M, &'static str),
        (request_id, member_id): (&str, &str),
        command: impl FnOnce(Uuid, &mut Violations) -> Command,
        encode: fn(&Answered<'_>) -> Written,
    ) -> Result<(R, bool), Status> {
        let mut found = Violations::default();
        let request_id = uuid(request_id, &Path::ROOT, "request_id", &mut found);
        let member_id = uuid(member_id, &Path::ROOT, "member_id", &mut found);
        let command = command(member_id, &mut found);
        found.into_result(DOMAIN)?;
        let call = Asked { call: caller.call(DOMAIN, method, request_id, message), encode };
        self.submit(&caller, member_id, command, call).await
    }

    /// The same for a request that is made already.
    pub(super) async fn submit_request<R: Message + Default>(
        &self,
        caller: &Caller,
        member_id: Uuid,
        request: ledger::Request,
    ) -> Result<(R, bool), Status> {
        let (api, deadline) = (self.clone(), caller.deadline);
        let work = async move { api.lanes.submit(request, deadline).await };
        let answer = caller.run(work).await?;
        response(answer, member_id)
    }

    /// Sends many requests through their lanes, each on its own unless they are sent together: what could not
    /// be made is its own answer.
    pub(super) async fn submit_each<R: Message + Default>(
        &self,
        caller: &Caller,
        requests: Vec<Result<(Uuid, ledger::Request), Status>>,
        together: Option<Together>,
    ) -> Result<Vec<Result<(R, bool), Status>>, Status> {
        let (mut submitted, mut places) = (Vec::new(), Vec::with_capacity(requests.len()));
        let first_bad = requests.iter().position(Result::is_err).filter(|_| together.is_some());
        for (n, request) in requests.into_iter().enumerate() {
            let bad = first_bad.filter(|bad| *bad < n || together == Some(Together::AllOrNothing));
            let request = match bad {
                Some(bad) => request.and_then(|_| Err(not_done(bad).to_status())),
                None => request,
            };
            places.push(request.map(|(member_id, request)| {
                submitted.push(request);
                member_id
            }));
        }
        let (lanes, deadline) = (self.lanes.clone(), caller.deadline);
        let count = submitted.len();
        let work = async move {
            match together {
                None => lanes.submit_all(submitted, deadline).await,
                Some(together) => match lanes.submit_together(submitted, together, deadline).await {
                    Ok(answers) => answers.into_iter().map(Ok).collect(),
                    Err(failure) => vec![Err(failure); count],
                },
            }
        };
        let answers = caller.run(work).await?;
        let mut answers = answers.into_iter();
        let answer = |place: Result<Uuid, Status>| {
            let member_id = place?;
            response(answers.next().unwrap_or(Err(Failure::Unavailable)), member_id)
        };
        Ok(places.into_iter().map(answer).collect())
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
        F: for<'a> Fn(&'a db::Tx) -> BoxFuture<'a, Result<Written, db::Error>> + Send + Sync + 'static,
    {
        let (db, bell) = (self.db.clone(), self.bell.clone());
        let run = async move { once(&db, command, work).await.inspect(|_| bell.ring()) };
        let answer = caller.run(run).await?;
        requests::response(DOMAIN, answer.map_err(|error| told(&error))?)
    }

    /// Applies what is due to a wallet, so that its rows say what its balance says.
    pub(super) async fn settle(&self, caller: &Caller, wallet_id: Uuid) -> Result<(), Status> {
        let owner = Owner::new(&caller.tenant, wallet_id);
        let request = ledger::Request::of_service(owner, Command::Settle);
        match self.lanes.submit(request, caller.deadline).await {
            Ok(Answer::Given(_)) => Ok(()),
            answer => response::<()>(answer, wallet_id).map(|_| ()),
        }
    }
}

/// How far the items of a batch depend on each other.
pub(super) fn together(mode: pb::BatchMode) -> Option<Together> {
    match mode {
        pb::BatchMode::Unspecified | pb::BatchMode::Continue => None,
        pb::BatchMode::Stop => Some(Together::Stop),
        pb::BatchMode::AllOrNothing => Some(Together::AllOrNothing),
    }
}

pub(super) fn ledger_request(
    caller: &Caller,
    member_id: Uuid,
    command: Command,
    call: Asked,
) -> ledger::Request {
    ledger::Request {
        call: Some(call),
        traceparent: telemetry::traceparent().unwrap_or_default(),
        ..ledger::Request::of_service(Owner::new(&caller.tenant, member_id), command)
    }
}

/// An answer as a response with its `replayed` flag, or as the error that it is.
pub(super) fn response<R: Message + Default>(
    answer: Result<Answer, Failure>,
    member_id: Uuid,
) -> Result<(R, bool), Status> {
    match answer {
        Ok(Answer::Given(given)) => requests::response(DOMAIN, given),
        Ok(Answer::NotDone(refused)) => Err(not_done(refused).to_status()),
        Ok(Answer::NoWallet) => Err(member_not_found(&member_id.to_string()).to_status()),
        Ok(Answer::Again(_)) => Err(failed(Failure::Unavailable)),
        Ok(Answer::Panicked) => Err(rpc::error::internal_because("a decision broke an invariant")),
        Err(failure) => Err(failed(failure)),
    }
}

/// Another item of its batch was refused.
fn not_done(refused: usize) -> Problem {
    let message = format!("item {refused} of the batch was refused, and this one not done; send it again");
    Problem::precondition(DOMAIN, "BATCH_STOPPED", message).with("item", refused)
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
    requests::told(DOMAIN, error)
}
