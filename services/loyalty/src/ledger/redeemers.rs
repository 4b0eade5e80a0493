//! Who of a household made the redemption that a command names: whoever was merged into a member is that one.
//!
//! It only matters, and is only read, where a member who may not spend names what another one made.

use std::collections::BTreeSet;

use db::Tx;
use uuid::Uuid;

use super::Request;
use super::batch::Batch;
use crate::domain::{Command, HouseholdRole, shares_as};
use crate::store::{Owner, wallets};

impl Batch {
    /// Follows those who made such redemptions to where they are: the locks on the wallets of the requests
    /// keep them there.
    pub(super) async fn load_redeemers(&mut self, tx: &Tx, requests: &[Request]) -> Result<(), db::Error> {
        // What a member may do may change within the batch.
        let roles_change = requests.iter().any(|r| matches!(r.command, Command::ChangeRole(_)));
        let redeemers = requests.iter().filter_map(|request| {
            let own = self.shares_as(&request.owner, &request.route.own)?;
            let may_spend = own.role == Some(HouseholdRole::Redeemer) && !roles_change;
            let redeemer = self.redeemer(request).filter(|redeemer| redeemer.id() != own.id)?;
            (!may_spend).then_some(redeemer)
        });
        for redeemer in redeemers.collect::<BTreeSet<Owner>>() {
            let way = wallets::way(tx, &redeemer).await?;
            if let Some(member) = shares_as(way.iter().map(|(_, found)| &found.wallet)) {
                self.redeemed_as.insert(redeemer, member.id);
            }
        }
        Ok(())
    }

    /// The member of a household into whom the one was merged who made the redemption that a request names.
    pub(super) fn redeemed_as(&self, request: &Request) -> Option<Uuid> {
        self.redeemed_as.get(&self.redeemer(request)?).copied()
    }

    /// Who made the redemption that a request names.
    fn redeemer(&self, request: &Request) -> Option<Owner> {
        let redemption = self.named_redemption(request)?;
        Some(Owner::new(request.owner.tenant(), redemption.member_id))
    }
}
