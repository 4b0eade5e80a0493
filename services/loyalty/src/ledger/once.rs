//! Commands on the catalogue: one transaction each, with the same promise about request ids.

use std::sync::Arc;

use ambient::Time;
use db::{Db, Tx};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::batch::replay;
use super::{Answer, Call, Written};
use crate::store::Owner;
use crate::store::commands::{self, Record};

/// A command of a scope that is not a wallet.
#[derive(Clone, Debug)]
pub struct Once {
    /// The scope of its request id.
    pub scope: Owner,
    /// The call.
    pub call: Call,
    /// When it is decided.
    pub now: Time,
}

/// How often a command is decided again after somebody else was faster.
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
