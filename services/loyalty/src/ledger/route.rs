//! From the wallet that a command names to the one that has what belongs to its owner.
//!
//! Where members are is only certain once their wallets are locked, and wallets are locked in one order. So a
//! request is sent where its points are taken to be, and sent on if that turns out to be wrong. So is one
//! that finds too few units of a reward while others still have some in holds that are over.

use super::Request;
use crate::domain::{Command, Wallet};
use crate::store::Owner;

/// Where points of a request are taken to be: the wallets behind each that it names, in their order. Empty:
/// in that one. And what must happen first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Behind the first wallet.
    pub own: Vec<Owner>,
    /// Behind the second one.
    pub other: Vec<Owner>,
    /// Wallets that are settled first: their holds are over, and the request needs what goes back.
    pub settle: Vec<Owner>,
}

/// Wallets on a way at most: merging does not go in circles, but rows may be damaged.
const LENGTH_MAX: usize = 64;

impl Request {
    /// The wallet that the command acts on.
    pub(super) fn acts_on(&self) -> &Owner {
        self.route.own.last().unwrap_or(&self.owner)
    }

    /// The second wallet that the command names.
    pub(super) fn other_named(&self) -> Option<Owner> {
        self.command.other_wallet().map(|id| Owner::new(self.owner.tenant(), id))
    }

    /// The second wallet that the command acts on.
    pub(super) fn other(&self) -> Option<Owner> {
        let named = self.other_named()?;
        Some(self.route.other.last().cloned().unwrap_or(named))
    }

    /// The wallets that must be locked for it.
    pub(super) fn wallets(&self) -> impl Iterator<Item = Owner> {
        let ways = self.route.own.iter().chain(&self.route.other).cloned();
        [self.owner.clone()].into_iter().chain(self.other_named()).chain(ways)
    }

    /// The route by what is known of wallets: all of it if that is the request's own.
    pub(super) fn true_route<'a>(&self, known: impl Fn(&Owner) -> Option<&'a Wallet>) -> Route {
        Route { settle: self.route.settle.clone(), ..self.routed(|named| way(named, &known)) }
    }

    /// Where it is best sent first.
    pub(super) fn likely_route(&self, ways: &Ways) -> Route {
        self.routed(|named| ways.get(named).unwrap_or_default())
    }

    fn routed(&self, way: impl Fn(&Owner) -> Vec<Owner>) -> Route {
        let [own, other] = self.starts().map(|start| start.map_or_else(Vec::new, |named| way(&named)));
        Route { own, other, settle: Vec::new() }
    }

    /// What is to be done before it.
    pub(super) fn first(&self) -> impl Iterator<Item = Request> {
        self.route.settle.iter().map(|owner| Request::of_service(owner.clone(), Command::Settle))
    }

    /// The wallets that ways begin at, as far as these are followed.
    fn starts(&self) -> [Option<Owner>; 2] {
        let own = (!self.command.is_of_own_wallet()).then(|| self.owner.clone());
        // Who comes back is meant to have nothing in its own wallet.
        let other = self.other_named().filter(|named| *named != self.owner);
        [own, other]
    }
}

fn way<'a>(named: &Owner, known: impl Fn(&Owner) -> Option<&'a Wallet>) -> Vec<Owner> {
    let mut way: Vec<Owner> = Vec::new();
    while let Some(id) = known(way.last().unwrap_or(named)).and_then(|wallet| wallet.moved_to)
        && way.len() < LENGTH_MAX
    {
        way.push(Owner::new(named.tenant(), id));
    }
    way
}

/// Where members were found to be.
pub(super) type Ways = moka::sync::Cache<Owner, Vec<Owner>>;

/// How many members that are elsewhere are remembered.
const WAYS_MAX: u64 = 100_000;

/// Nobody is known to be elsewhere.
pub(super) fn ways() -> Ways {
    moka::sync::Cache::new(WAYS_MAX)
}

impl Route {
    /// Remembers what turned out to be so.
    pub(super) fn remember(&self, request: &Request, ways: &Ways) {
        for (start, way) in request.starts().into_iter().zip([&self.own, &self.other]) {
            match start {
                Some(named) if way.is_empty() => ways.invalidate(&named),
                Some(named) => ways.insert(named, way.clone()),
                None => {}
            }
        }
    }
}
