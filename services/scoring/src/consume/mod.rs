//! What the service hears: one file per event, each turning bytes into facts of the domain; and the one way
//! in which a batch of them is applied.

mod activity_recorded;
mod apply;
mod case_opened;
mod case_resolved;
mod fact;
mod feedback_submitted;
mod member_enrolled;
mod reward_redeemed;
mod tier_changed;

use std::sync::Arc;

use db::Tx;
use events::{Failed, Handler, Received};
use futures::FutureExt;
use futures::future::BoxFuture;

use fact::Facts;

/// The events it takes.
const KINDS: &[&str] = &[
    feedback_submitted::KIND,
    case_opened::KIND,
    case_resolved::KIND,
    activity_recorded::KIND,
    reward_redeemed::KIND,
    tier_changed::KIND,
    member_enrolled::KIND,
];

/// The ear of the service.
pub(crate) fn handler() -> Handler {
    let apply = applying(|tx, events| apply::apply(tx, events).boxed());
    Handler {
        name: "scoring",
        kinds: KINDS,
        apply: Arc::new(apply),
        takes_state: true,
        applied: Arc::new(|| {}),
    }
}

/// Tells the compiler for which lifetimes a closure is meant.
fn applying<F>(apply: F) -> F
where
    F: for<'a> Fn(&'a Tx, &'a [Received]) -> BoxFuture<'a, Result<(), Failed>> + Send + Sync,
{
    apply
}

/// What an event says; none if it is not one of [`KINDS`]. An error says what is wrong with it, without its
/// values.
fn decode(event: &Received) -> Result<Option<Facts>, String> {
    match event.kind.as_str() {
        feedback_submitted::KIND => feedback_submitted::decode(&event.payload).map(Some),
        case_opened::KIND => case_opened::decode(&event.payload).map(Some),
        case_resolved::KIND => case_resolved::decode(&event.payload).map(Some),
        activity_recorded::KIND => activity_recorded::decode(&event.payload).map(Some),
        reward_redeemed::KIND => reward_redeemed::decode(event).map(Some),
        tier_changed::KIND => tier_changed::decode(event).map(Some),
        member_enrolled::KIND => member_enrolled::decode(&event.payload).map(Some),
        _ => Ok(None),
    }
}
