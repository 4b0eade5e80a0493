//! Mutations: one transaction each, and each request id acts once.

use std::sync::Arc;

use ambient::Time;
use db::{Db, Tx};
use futures::FutureExt;
use futures::future::BoxFuture;
use uuid::Uuid;

use crate::store::Owner;
use crate::store::commands::{self, Record};

/// What is remembered of a call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Unique within its scope.
    pub(super) request_id: Uuid,
    /// The RPC.
    pub(super) method: &'static str,
    /// The request, encoded as it was sent.
    pub(super) body: Vec<u8>,
    /// Who asked.
    pub(super) subject: String,
}

/// A call on its way.
#[derive(Clone, Debug)]
pub(super) struct Once {
    /// The scope of its request id.
    pub(super) scope: Owner,
    /// The call.
    pub(super) call: Call,
    /// When it is decided.
    pub(super) now: Time,
}

/// An answer as it is stored and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// The gRPC code; 0 if it was done.
    pub(super) status: i32,
    /// The encoded response, or the encoded `google.rpc.Status`.
    pub(super) bytes: Vec<u8>,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
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
pub(super) async fn once<F>(db: &Db, command: Once, work: F) -> Result<Answer, db::Error>
where
    F: for<'a> Fn(&'a Tx) -> BoxFuture<'a, Result<Written, db::Error>> + Send + Sync + 'static,
{
    let job = Arc::new((command, work));
    let mut races = 0;
    loop {
        let outcome = db
            .transact(|tx| {
                let job = job.clone();
                async move { attempt(tx, &job.0, &job.1).await }.boxed()
            })
            .await;
        match outcome {
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
    if let Some(record) = commands::find(tx, std::slice::from_ref(&key)).await?.remove(&key) {
        return Ok(replay(call, &record));
    }
    let written = work(tx).await?;
    let record = Record {
        request_id: call.request_id,
        method: call.method.to_owned(),
        request: call.body.clone(),
        status: written.status,
        reply: written.bytes.clone(),
        subject: call.subject.clone(),
        create_time: *now,
    };
    commands::insert(tx, vec![(scope.clone(), record)]).await?;
    Ok(Answer::Written { written, replayed: false })
}

/// The answer to a request id that was used before.
fn replay(call: &Call, record: &Record) -> Answer {
    if record.method != call.method {
        return Answer::Reused { field: "method".into() };
    }
    if record.request != call.body {
        let message = format!("rapport.notification.v1.{}Request", call.method);
        let field = proto::first_difference(&message, &record.request, &call.body);
        return Answer::Reused { field: field.unwrap_or_else(|| "request".into()) };
    }
    let written = Written { status: record.status, bytes: record.reply.clone() };
    Answer::Written { written, replayed: true }
}
