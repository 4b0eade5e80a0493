//! Lists show a wallet's rows as its balance says they are.

use std::sync::Arc;

use requests::Caller;
use tonic::Status;

use super::Api;
use super::call::told;
use super::refusal::member_not_found;
use crate::domain::{Program, Wallet};
use crate::store::{Owner, wallets};

impl Api {
    /// Settles a wallet that has something due, so that its rows say what its balance says. Returns it as it
    /// was before, and its program.
    pub(super) async fn settled(
        &self,
        caller: &Caller,
        owner: &Owner,
    ) -> Result<(Wallet, Arc<Program>), Status> {
        let db = self.db.reader();
        let wallet = wallets::find(db, owner).await.map_err(|e| told(&e))?;
        let wallet = wallet.ok_or_else(|| member_not_found(&owner.id().to_string()))?;
        if wallet.next_due <= self.clock.now() {
            self.settle(caller, owner.id()).await?;
        }
        let program = self.catalogue.program(db, owner.tenant(), &wallet.program_id).await;
        let missing = || rpc::error::internal_because("a wallet has no program");
        let program = program.map_err(|e| told(&e))?.ok_or_else(missing)?;
        Ok((wallet, program))
    }
}
