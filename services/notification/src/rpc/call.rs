//! The way of a mutation there and back.

use db::Tx;
use futures::future::BoxFuture;
use prost::Message;
use requests::{Call, Caller, Once, Written, once};
use tonic::Status;

use super::Api;
use super::refusal::DOMAIN;
use crate::store::Owner;

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
        let answer = caller.run(async move { once(&db, command, work).await }).await?;
        requests::response(DOMAIN, answer.map_err(|error| told(&error))?)
    }
}

/// A database error as the caller may see it.
pub(super) fn told(error: &db::Error) -> Status {
    requests::told(DOMAIN, error)
}
