//! The way of a mutation of a case there and back.

use db::{Pick, Tx};
use futures::FutureExt;
use prost::Message;
use proto::rapport::feedback::v1 as pb;
use proto::{Path, Violations};
use requests::wire::uuid;
use requests::{Call, Caller, Once, Written, once};
use tonic::Status;

use super::Api;
use super::announce::stepped;
use super::case_message::message;
use super::refusal::{DOMAIN, case_not_found, problem};
use crate::domain::{Work, work};
use crate::store::{Owner, cases};

/// Work on a case that somebody asks for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The case.
    pub(super) owner: Owner,
    /// What is to be done.
    pub(super) work: Work,
    /// The version of the case as its reader knew it; 0 for any.
    pub(super) version: i64,
    /// Why, or what was answered.
    pub(super) note: String,
    /// The call.
    pub(super) call: Call,
}

impl Asked {
    /// Work on a case that a message asks for.
    pub(super) fn decode<M: Message>(
        caller: &Caller,
        (method, message): (&'static str, &M),
        (request_id, case_id): (&str, &str),
        work: Work,
        (version, note): (i64, &str),
    ) -> Result<Asked, Status> {
        let mut found = Violations::default();
        let request_id = uuid(request_id, &Path::ROOT, "request_id", &mut found);
        let case_id = uuid(case_id, &Path::ROOT, "case_id", &mut found);
        found.into_result(DOMAIN)?;
        let owner = Owner::new(&caller.tenant, case_id);
        let call = caller.call(DOMAIN, method, request_id, message);
        Ok(Asked { owner, work, version, note: note.to_owned(), call })
    }
}

impl Api {
    /// Works on a case, once per request id. `respond` makes the response of the case after it.
    pub(super) async fn work<R: Message + Default + 'static>(
        &self,
        caller: &Caller,
        asked: Asked,
        respond: fn(pb::Case) -> R,
    ) -> Result<(R, bool), Status> {
        let now = self.clock.now();
        let command = Once { scope: asked.owner.clone(), call: asked.call.clone(), now };
        let traceparent = telemetry::traceparent().unwrap_or_default();
        let (db, bell) = (self.db.clone(), self.bell.clone());
        let run = async move {
            let done = once(&db, command, move |tx| {
                let (asked, traceparent) = (asked.clone(), traceparent.clone());
                async move { step(tx, &asked, &traceparent, now, respond).await }.boxed()
            });
            done.await.inspect(|_| bell.ring())
        };
        let answer = caller.run(run).await?;
        requests::response(DOMAIN, answer.map_err(|error| told(&error))?)
    }
}

async fn step<R: Message>(
    tx: &Tx,
    asked: &Asked,
    traceparent: &str,
    now: ambient::Time,
    respond: fn(pb::Case) -> R,
) -> Result<Written, db::Error> {
    let Asked { owner, work: wanted, version, note, call } = asked;
    let Some(case) = cases::find(tx, owner, Pick::Locked).await? else {
        return Ok(Written::refused(&case_not_found(owner.id())));
    };
    let (mut case, step) = match work(&case, wanted, *version, (&call.subject, note), now) {
        Ok(done) => done,
        Err(refusal) => return Ok(Written::refused(&problem(&refusal))),
    };
    let machine_now = events::machine_now_micros();
    let event = stepped(owner.tenant(), &mut case, &step, traceparent, machine_now);
    cases::update(tx, owner, &case, &step).await?;
    events::append(tx, vec![event]).await?;
    Ok(Written::done(&respond(message(&case, now))))
}

/// A database error as the caller may see it.
pub(super) fn told(error: &db::Error) -> Status {
    requests::told(DOMAIN, error)
}
