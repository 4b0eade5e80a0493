//! What a handler knows about its call beyond the message, and how a mutation outlives its caller.

use std::future::Future;
use std::sync::Arc;

use futures::FutureExt as _;
use http::Extensions;
use opentelemetry::context::FutureExt as _;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tonic::Status;

use crate::admission::Permit;
use crate::{DOMAIN, Principal, Problem, error};

/// When the caller stops waiting, as a request extension of every call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

tokio::task_local! {
    static DEADLINE: Deadline;
}

/// The deadline of the call that the current task works for; none outside of calls.
pub fn deadline() -> Option<Deadline> {
    DEADLINE.try_with(|deadline| *deadline).ok()
}

pub(crate) fn under<F: Future>(deadline: Deadline, work: F) -> impl Future<Output = F::Output> {
    DEADLINE.scope(deadline, work)
}

/// Who calls. UNAUTHENTICATED if the request did not come through the layers.
pub fn principal<T>(request: &tonic::Request<T>) -> Result<Principal, Status> {
    request.extensions().get::<Principal>().cloned().ok_or_else(|| {
        let message = "the call carries no credentials";
        Problem::new(tonic::Code::Unauthenticated, DOMAIN, "UNAUTHENTICATED", message).to_status()
    })
}

/// The place of a call among those worked on, and the books on tasks that outlive theirs.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) permit: Option<Arc<Permit>>,
    pub(crate) tasks: TaskTracker,
}

/// Runs a mutation to its end, whatever happens to its caller: in a task of its own that keeps the call's
/// place, deadline and trace, and that shutdown waits for. `extensions` are those of the request. An error
/// here is a panic in `mutation` (INTERNAL) or a runtime that ends (UNAVAILABLE); the mutation's own outcome
/// is `T`.
pub fn run_to_completion<T, F>(
    extensions: &Extensions,
    mutation: F,
) -> impl Future<Output = Result<T, Status>> + use<T, F>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let work = extensions.get::<Work>().cloned();
    let deadline = extensions.get::<Deadline>().copied().or_else(deadline);
    let tasks = work.as_ref().map(|work| work.tasks.clone());
    let guarded = async move {
        let _place = work.and_then(|work| work.permit);
        let outcome = std::panic::AssertUnwindSafe(mutation).catch_unwind().await;
        outcome.map_err(|panic| error::panicked(&*panic))
    };
    let guarded = guarded.with_current_context();
    let task = match (deadline, tasks) {
        (Some(deadline), Some(tasks)) => tasks.spawn(under(deadline, guarded)),
        (Some(deadline), None) => tokio::spawn(under(deadline, guarded)),
        (None, Some(tasks)) => tasks.spawn(guarded),
        (None, None) => tokio::spawn(guarded),
    };
    async move {
        task.await.unwrap_or_else(|_| {
            let message = "the server is shutting down";
            Err(Problem::unavailable(DOMAIN, "SHUTTING_DOWN", message).to_status())
        })
    }
}
