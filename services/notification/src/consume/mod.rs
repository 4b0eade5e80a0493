//! What the service hears: one file per event, each turning bytes into an occurrence of the domain; and the
//! one way in which a batch of them is applied.

mod apply;
mod case_opened;
mod case_resolved;
mod points_expiring;
mod reward_redeemed;
mod tier_at_risk;
mod tier_changed;

use std::sync::Arc;

use ambient::Clock;
use db::Tx;
use events::{Failed, Handler, Received};
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::domain::{Channel, Occurrence};

/// The events it takes.
const KINDS: &[&str] = &[
    case_opened::KIND,
    case_resolved::KIND,
    reward_redeemed::KIND,
    tier_changed::KIND,
    points_expiring::KIND,
    tier_at_risk::KIND,
];

/// The ear of the service: messages go out over `channels`, and `applied` is called when some may wait.
pub(crate) fn handler(
    clock: Clock,
    channels: Vec<Channel>,
    applied: impl Fn() + Send + Sync + 'static,
) -> Handler {
    let channels: Arc<[Channel]> = channels.into();
    let apply = applying(move |tx, events| {
        let (channels, now) = (channels.clone(), clock.now());
        async move { apply::apply(tx, events, &channels, now).await }.boxed()
    });
    Handler {
        name: "notification",
        kinds: KINDS,
        apply: Arc::new(apply),
        takes_state: false,
        applied: Arc::new(applied),
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
fn decode(event: &Received) -> Result<Option<Occurrence>, String> {
    match event.kind.as_str() {
        case_opened::KIND => case_opened::decode(&event.payload).map(Some),
        case_resolved::KIND => case_resolved::decode(&event.payload).map(Some),
        reward_redeemed::KIND => reward_redeemed::decode(&event.payload).map(Some),
        tier_changed::KIND => tier_changed::decode(&event.payload).map(Some),
        points_expiring::KIND => points_expiring::decode(&event.payload).map(Some),
        tier_at_risk::KIND => tier_at_risk::decode(&event.payload).map(Some),
        _ => Ok(None),
    }
}
