//! Lots that points were redeemed from and cannot come back to, as their member has moved since: what must be
//! known of them to open others in their place.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use db::Tx;
use uuid::Uuid;

use super::batch::Batch;
use crate::domain::{Lot, Redemption};
use crate::store::{Owner, activities, lots, members};

impl Batch {
    /// Loads such lots of all open holds and named redemptions, what became of their members and activities,
    /// and what points that come back pay for.
    pub(super) async fn load_origins(&mut self, tx: &Tx) -> Result<(), db::Error> {
        self.load_lots_elsewhere(tx).await?;
        self.find_here(tx).await?;
        self.find_returned(tx).await?;
        self.load_owing(tx).await
    }

    /// Loads what points that come back pay for.
    async fn load_owing(&mut self, tx: &Tx) -> Result<(), db::Error> {
        let owners: BTreeSet<Owner> = self.all_redemptions().map(|(owner, _)| owner.clone()).collect();
        for (owner, activity) in activities::owing(tx, &owners.into_iter().collect::<Vec<_>>()).await? {
            if let Some(open) = self.wallets.get_mut(&owner) {
                open.state.owing.insert(activity.id, activity);
            }
        }
        Ok(())
    }

    /// The open holds that are known, and the redemptions that requests name, each with its wallet.
    fn all_redemptions(&self) -> impl Iterator<Item = (&Owner, &Redemption)> {
        let holds = self.wallets.iter();
        let holds = holds.flat_map(|(owner, open)| open.state.holds.values().map(move |hold| (owner, hold)));
        holds.chain(self.redemptions.iter().map(|((owner, _), redemption)| (owner, redemption)))
    }

    /// The lots that points cannot come back to, each with the wallet that has the redemption.
    fn origins(&self) -> impl Iterator<Item = (&Owner, &Lot)> {
        self.all_redemptions().flat_map(|(owner, redemption)| {
            let state = self.wallets.get(owner).map(|open| &open.state);
            let own = redemption.own_lots().filter_map(move |number| state?.lot(number));
            let other = redemption.other_lots().filter_map(move |of| state?.origins.get(&of));
            own.filter(|lot| lot.left_behind).chain(other).map(move |lot| (owner, lot))
        })
    }

    async fn load_lots_elsewhere(&mut self, tx: &Tx) -> Result<(), db::Error> {
        let wanted = self.all_redemptions().flat_map(|(owner, redemption)| {
            redemption
                .other_lots()
                .map(move |(id, number)| (owner.clone(), Owner::new(owner.tenant(), id), number))
        });
        let mut keys: BTreeMap<Owner, Vec<i64>> = BTreeMap::new();
        let mut asking: HashMap<Owner, BTreeSet<Owner>> = HashMap::new();
        for (owner, origin, number) in wanted {
            keys.entry(origin.clone()).or_default().push(number);
            asking.entry(origin).or_default().insert(owner);
        }
        for (origin, numbers) in keys {
            let found = lots::numbered(tx, &origin, numbers).await?;
            for owner in asking.get(&origin).into_iter().flatten() {
                let Some(open) = self.wallets.get_mut(owner) else { continue };
                let origins = found.iter().map(|lot| ((origin.id(), lot.key.number), lot.clone()));
                open.state.origins.extend(origins);
            }
        }
        Ok(())
    }

    /// Finds out whose points are here of all in whose names these lots are.
    async fn find_here(&mut self, tx: &Tx) -> Result<(), db::Error> {
        let member =
            |(owner, lot): (&Owner, &Lot)| (owner.clone(), Owner::new(owner.tenant(), lot.member_id));
        let named: BTreeSet<(Owner, Owner)> = self.origins().map(member).collect();
        let wanted: BTreeSet<Owner> = named.iter().map(|(_, member)| member.clone()).collect();
        let found = members::find_many(tx, &wanted.into_iter().collect::<Vec<_>>()).await?;
        for (owner, member) in named {
            let is_here = found.get(&member).is_some_and(|found| found.wallet_id == owner.id());
            if let Some(open) = self.wallets.get_mut(&owner).filter(|_| is_here) {
                open.state.here.insert(member.id());
            }
        }
        Ok(())
    }

    /// Finds out which of the activities of these lots were taken back.
    async fn find_returned(&mut self, tx: &Tx) -> Result<(), db::Error> {
        let earned = self.origins().filter(|(_, lot)| !lot.activity_id.is_nil());
        let wanted: BTreeSet<(Owner, Uuid)> =
            earned.map(|(owner, lot)| (owner.clone(), lot.activity_id)).collect();
        let found = activities::find(tx, &wanted.into_iter().collect::<Vec<_>>()).await?;
        for ((owner, _), activity) in found.iter().filter(|(_, activity)| activity.is_taken_back()) {
            if let Some(open) = self.wallets.get_mut(owner) {
                open.state.returned.insert((activity.id, activity.member_id));
            }
        }
        Ok(())
    }
}
