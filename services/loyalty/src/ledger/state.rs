//! What the service knows of its members, told as the events that it left.

use db::Db;
use events::{Facts, State};
use futures::stream::{self, BoxStream, StreamExt};

use super::announce::{enrolled, fact};
use crate::domain::{Event, Left};
use crate::store::{Owner, TierChange, state};

/// The state of the service: who joined, what members did, what they redeemed, and which tiers they had. An
/// order key that is not kept is the business time at which it was recorded; the balance after a redemption
/// is not kept.
pub fn told(db: &Db) -> State {
    let db = db.clone();
    State::new(move || facts(&db))
}

fn facts(db: &Db) -> Facts {
    let joined = each(state::members(db), |owner, member| {
        enrolled(owner, &member, String::new(), member.create_time.micros())
    });
    let done = each(state::activities(db), |owner, (program_id, activity, create_time)| {
        fact(owner, &program_id, (0, create_time.micros()), &Event::ActivityRecorded { activity })
    });
    let redeemed = each(state::redemptions(db), |owner, redemption| {
        let (program_id, at) = (redemption.program_id.clone(), redemption.resolve_time.micros());
        let left = Left { currency: redemption.currency.clone(), available: 0 };
        let told = Event::RewardRedeemed { redemption, left };
        fact(owner, &program_id, (0, at), &told)
    });
    let tiers = each(state::tier_changes(db), |owner, (program_id, change)| {
        let TierChange { event_seq, order_key, event } = change;
        fact(owner, &program_id, (event_seq, order_key), &event)
    });
    stream::iter([joined, done, redeemed, tiers]).flatten().boxed()
}

fn each<T: Send + 'static>(
    pages: BoxStream<'static, Result<Vec<(Owner, T)>, db::Error>>,
    fact: fn(&Owner, T) -> events::Event,
) -> Facts {
    let facts = move |page: Vec<(Owner, T)>| page.into_iter().map(|(owner, of)| fact(&owner, of)).collect();
    pages.map(move |page| page.map(facts)).boxed()
}
