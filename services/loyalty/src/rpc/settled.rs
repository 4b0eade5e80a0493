//! Lists show a wallet's rows as its balance says they are.

use std::sync::Arc;

use requests::Caller;
use tonic::Status;
use uuid::Uuid;

use super::Api;
use super::call::told;
use super::refusal::member_not_found;
use crate::domain::{Program, Wallet};
use crate::store::wallets::{self, Versioned};
use crate::store::{Owner, Tenant};

impl Api {
    /// The wallet that has what belongs to a member, and those on the way to it from the member's own.
    async fn on_way(
        &self,
        tenant: &Tenant,
        member_id: Uuid,
    ) -> Result<(Vec<Wallet>, (Owner, Versioned)), Status> {
        let way = wallets::way(self.db.reader(), &Owner::new(tenant, member_id)).await;
        let mut way = way.map_err(|e| told(&e))?;
        let last = way.pop().ok_or_else(|| member_not_found(&member_id.to_string()).to_status())?;
        Ok((way.into_iter().map(|(_, found)| found.wallet).collect(), last))
    }

    /// The wallet that has what belongs to a member.
    pub(super) async fn located(
        &self,
        tenant: &Tenant,
        member_id: Uuid,
    ) -> Result<(Owner, Versioned), Status> {
        Ok(self.on_way(tenant, member_id).await?.1)
    }

    /// Settles the wallet that has what belongs to a member if something is due, so that its rows say what
    /// its balance says. Returns it as it is then, and its program.
    pub(super) async fn settled(
        &self,
        caller: &Caller,
        member_id: Uuid,
    ) -> Result<(Owner, Wallet, Arc<Program>), Status> {
        Ok(self.settled_on_way(caller, member_id).await?.1)
    }

    /// The same, and the wallets on the way to it from the member's own.
    pub(super) async fn settled_on_way(
        &self,
        caller: &Caller,
        member_id: Uuid,
    ) -> Result<(Vec<Wallet>, (Owner, Wallet, Arc<Program>)), Status> {
        let (way, (owner, found)) = self.on_way(&caller.tenant, member_id).await?;
        let program = self.program_of(&owner, &found).await?;
        let Wallet { next_due, .. } = found.wallet;
        if next_due.min(found.wallet.tier_due(&program)) > self.clock.now() {
            return Ok((way, (owner, found.wallet, program)));
        }
        self.settle(caller, owner.id()).await?;
        let (way, (owner, found)) = self.on_way(&caller.tenant, member_id).await?;
        let program = self.program_of(&owner, &found).await?;
        Ok((way, (owner, found.wallet, program)))
    }

    /// The program of a wallet.
    pub(super) async fn program_of(&self, owner: &Owner, found: &Versioned) -> Result<Arc<Program>, Status> {
        let program = self.catalogue.of_wallet(self.db.reader(), owner.tenant(), found).await;
        let missing = || rpc::error::internal_because("a wallet has no program");
        program.map_err(|e| told(&e))?.ok_or_else(missing)
    }
}
