//! Mutations of one transaction each.

use std::sync::Arc;

use ambient::Time;
use db::{Db, Owner, Tx};
use futures::FutureExt;
use futures::future::BoxFuture;
use prost::Message;
use rpc::Problem;
use uuid::Uuid;

use crate::record::{self, Record};

/// What is remembered of a call.
#[derive(Clone, Debug)]
pub struct Call {
    /// The `ErrorInfo` domain of the service, such as `rapport.loyalty`.
    pub domain: &'static str,
    /// Unique within its scope.
    pub request_id: Uuid,
    /// The RPC.
    pub method: &'static str,
    /// The request, encoded as it was sent.
    pub body: Vec<u8>,
    /// Who asked.
    pub subject: String,
}

/// A call on its way.
#[derive(Clone, Debug)]
pub struct Once {
    /// The scope of its request id.
    pub scope: Owner,
    /// The call.
    pub call: Call,
    /// When it is decided.
    pub now: Time,
}

/// An answer as it is stored and sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The gRPC code; 0 if it was done.
    pub status: i32,
    /// The encoded response, or the encoded `google.rpc.Status`.
    pub bytes: Vec<u8>,
    /// The request and its answer are not recorded: sent again, it is decided again. Only of what changed
    /// nothing.
    pub is_forgotten: bool,
}

impl Written {
    /// The response of a call that was done.
    pub fn done(response: &impl Message) -> Written {
        Written { status: 0, bytes: response.encode_to_vec(), is_forgotten: false }
    }

    /// The refusal of a call that was not.
    pub fn refused(problem: &Problem) -> Written {
        Written { status: problem.code as i32, bytes: problem.to_wire(), is_forgotten: false }
    }

    /// The refusal of a call of which nothing may be kept.
    pub fn refused_and_forgotten(problem: &Problem) -> Written {
        Written { is_forgotten: true, ..Written::refused(problem) }
    }
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was decided, now or (`replayed`) before.
    Written {
        /// The answer.
        written: Written,
        /// True if it is the stored one of an earlier call.
        replayed: bool,
    },
    /// The request id was used for another request.
    Reused {
        /// The first field in which they differ.
        field: String,
    },
}

/// How often a call is decided again after somebody else was faster.
const RACES_MAX: usize = 4;

/// Runs `work` unless the request was answered before, and records the answer in the same transaction. Two
/// at once: the unique keys let one through, the other is decided again and finds what the first one wrote.
///
/// # Errors
/// What `work` returns, or that the database refused.
pub async fn once<F>(db: &Db, command: Once, work: F) -> Result<Answer, db::Error>
where
    F: for<'a> Fn(&'a Tx) -> BoxFuture<'a, Result<Written, db::Error>> + Send + Sync + 'static,
{
    let job = Arc::new((command, work));
    decided(db, move |tx| {
        let job = job.clone();
        async move { attempt(tx, &job.0, &job.1).await }.boxed()
    })
    .await
}

/// Runs `work` in a transaction, and again if somebody else was faster or the answer to its COMMIT was lost.
/// `work` looks up its own keys first, so that a second time finds what the first one wrote.
///
/// # Errors
/// What `work` returns, or that the database refused.
pub async fn decided<T: Send>(db: &Db, work: impl db::Work<T>) -> Result<T, db::Error> {
    let mut races = 0;
    loop {
        match db.transact(&work).await {
            Err(db::Error::Constraint(_) | db::Error::CommitUnknown(_)) if races < RACES_MAX => races += 1,
            outcome => return outcome,
        }
    }
}

async fn attempt<F>(tx: &Tx, command: &Once, work: &F) -> Result<Answer, db::Error>
where
    F: for<'a> Fn(&'a Tx) -> BoxFuture<'a, Result<Written, db::Error>> + Send + Sync,
{
    let Once { scope, call, now } = command;
    let key = (scope.clone(), call.request_id);
    if let Some(record) = record::find(tx, std::slice::from_ref(&key)).await?.remove(&key) {
        return Ok(replay(call, &record));
    }
    let written = work(tx).await?;
    let record = call.record(&written, *now).map(|record| (scope.clone(), record));
    record::insert(tx, record.into_iter().collect()).await?;
    Ok(Answer::Written { written, replayed: false })
}

impl Call {
    /// Its record with the answer that it got, unless nothing of it may be kept.
    pub fn record(&self, written: &Written, now: Time) -> Option<Record> {
        let record = Record {
            request_id: self.request_id,
            method: self.method.to_owned(),
            request: self.body.clone(),
            status: written.status,
            reply: written.bytes.clone(),
            subject: self.subject.clone(),
            create_time: now,
        };
        Some(record).filter(|_| !written.is_forgotten)
    }
}

/// The answer to a request id that was used before.
pub fn replay(call: &Call, record: &Record) -> Answer {
    if record.method != call.method {
        return Answer::Reused { field: "method".into() };
    }
    if record.request != call.body {
        let message = format!("{}.v1.{}Request", call.domain, call.method);
        let field = proto::first_difference(&message, &record.request, &call.body);
        return Answer::Reused { field: field.unwrap_or_else(|| "request".into()) };
    }
    let written = Written { status: record.status, bytes: record.reply.clone(), is_forgotten: false };
    Answer::Written { written, replayed: true }
}
