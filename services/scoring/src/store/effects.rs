//! What observations change beside themselves: the one way from facts to profiles, histograms and watermarks,
//! live and in a rebuild.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use db::{Owner, Tenant, Tx};

use super::{histograms, profiles, watermarks};
use crate::domain::{Observation, Profile};

/// The customers whose profiles these observations change, in the order in which they are locked.
pub fn customers<'a>(observations: impl Iterator<Item = &'a (Owner, Observation)>) -> Vec<Owner> {
    let known = observations.filter(|(_, observation)| !observation.anonymous);
    let owners: BTreeSet<&Owner> = known.map(|(owner, _)| owner).collect();
    owners.into_iter().cloned().collect()
}

/// Folds new observations into the opened profiles of their [`customers`], and counts them.
///
/// # Errors
/// That the database refused, or `Damaged` if a profile was not opened.
pub async fn write(
    tx: &Tx,
    mut opened: HashMap<Owner, Profile>,
    observations: &[(Owner, Observation)],
) -> Result<(), db::Error> {
    for (owner, observation) in observations.iter().filter(|(_, observation)| !observation.anonymous) {
        let missing = || db::Error::Damaged("a profile was not found where it must be".to_owned());
        opened.get_mut(owner).ok_or_else(missing)?.add(observation);
    }
    let changed = customers(observations.iter());
    let changed = changed.into_iter().filter_map(|owner| opened.remove_entry(&owner));
    profiles::update(tx, &changed.collect::<Vec<_>>()).await?;
    histograms::add(tx, observations).await?;
    let mut reached: BTreeMap<&Tenant, i64> = BTreeMap::new();
    for (owner, observation) in observations.iter().filter(|(_, observation)| observation.is_feedback()) {
        let order_key = reached.entry(owner.tenant()).or_insert(observation.order_key);
        *order_key = observation.order_key.max(*order_key);
    }
    watermarks::advance(tx, reached.into_iter().map(|(tenant, reached)| (tenant.clone(), reached))).await
}
