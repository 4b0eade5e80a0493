//! Pages of lists: opens the token of the one asked for and seals the token of the next.

use std::sync::Arc;

use tonic::Status;

use super::Api;
use super::call::{Caller, told};
use super::refusal::member_not_found;
use crate::domain::Program;
use crate::store::{Owner, wallets};

impl Api {
    /// The cursor of a page token; nothing for the first page.
    pub(super) fn open_page(
        &self,
        caller: &Caller,
        method: &str,
        filter: &str,
        token: &str,
    ) -> Result<Option<Vec<u8>>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.pages.open(caller.tenant.id(), method, filter, token)?))
    }

    /// Cuts rows that were read one too many to the page's size and returns the token of the page after it.
    pub(super) fn next_page<T>(
        &self,
        caller: &Caller,
        method: &str,
        filter: &str,
        rows: &mut Vec<T>,
        size: u32,
        cursor: impl Fn(&T) -> Vec<u8>,
    ) -> String {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if rows.len() <= size {
            return String::new();
        }
        rows.truncate(size);
        let last = rows.last().map(cursor).unwrap_or_default();
        self.pages.seal(caller.tenant.id(), method, filter, &last)
    }

    /// Settles a wallet that has something due, so that its rows say what its balance says. Returns its
    /// program.
    pub(super) async fn settled(&self, caller: &Caller, owner: &Owner) -> Result<Arc<Program>, Status> {
        let db = self.db.reader();
        let wallet = wallets::find(db, owner).await.map_err(|e| told(&e))?;
        let wallet = wallet.ok_or_else(|| member_not_found(&owner.id().to_string()))?;
        if wallet.next_due <= self.clock.now() {
            self.settle(caller, owner.id()).await?;
        }
        let program = self.catalogue.program(db, owner.tenant(), &wallet.program_id).await;
        let missing = || rpc::error::internal_because("a wallet has no program");
        program.map_err(|e| told(&e))?.ok_or_else(missing)
    }
}

/// A cursor that is a row's number.
pub(super) fn number(cursor: &[u8]) -> i64 {
    cursor.try_into().map_or(0, i64::from_be_bytes)
}
