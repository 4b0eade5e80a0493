//! Programs and rewards, held in the process: the newest versions that a transaction met. A reward that
//! changes raises the version of its program.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use db::sea_orm::ConnectionTrait;

use crate::domain::{Program, Reward};
use crate::store::wallets::Versioned;
use crate::store::{Tenant, programs, rewards};

/// Programs and rewards by their keys. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Catalogue(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    programs: HashMap<(Tenant, String), Arc<Program>>,
    /// With the version that their program had at least when they were read.
    rewards: HashMap<rewards::Key, (i64, Arc<Reward>)>,
}

impl Catalogue {
    /// A program of this version or a later one; `None` if there is none.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn program_since(
        &self,
        db: &impl ConnectionTrait,
        tenant: &Tenant,
        program_id: &str,
        version: i64,
    ) -> Result<Option<Arc<Program>>, db::Error> {
        let known = self.known(tenant, program_id).filter(|known| known.version >= version);
        match known {
            Some(known) => Ok(Some(known)),
            None => self.load(db, tenant, program_id).await,
        }
    }

    /// A program, of which nothing may be used that changes: its rules may be of before; `None` if there is
    /// none.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn program(
        &self,
        db: &impl ConnectionTrait,
        tenant: &Tenant,
        program_id: &str,
    ) -> Result<Option<Arc<Program>>, db::Error> {
        match self.known(tenant, program_id) {
            Some(known) => Ok(Some(known)),
            None => self.load(db, tenant, program_id).await,
        }
    }

    /// The program of a wallet, of the version that it was read with or a later one, which knows all its
    /// purses; `None` if there is none.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn of_wallet(
        &self,
        db: &impl ConnectionTrait,
        tenant: &Tenant,
        found: &Versioned,
    ) -> Result<Option<Arc<Program>>, db::Error> {
        let Versioned { wallet, program_version } = found;
        let found = self.program_since(db, tenant, &wallet.program_id, *program_version).await?;
        match found.filter(|program| wallet.purses.len() <= program.further.len().saturating_add(1)) {
            Some(program) => Ok(Some(program)),
            None => self.load(db, tenant, &wallet.program_id).await,
        }
    }

    fn known(&self, tenant: &Tenant, program_id: &str) -> Option<Arc<Program>> {
        let key = (tenant.clone(), program_id.to_owned());
        self.0.read().unwrap_or_else(PoisonError::into_inner).programs.get(&key).cloned()
    }

    async fn load(
        &self,
        db: &impl ConnectionTrait,
        tenant: &Tenant,
        program_id: &str,
    ) -> Result<Option<Arc<Program>>, db::Error> {
        let Some(found) = programs::find(db, tenant, program_id).await?.map(Arc::new) else {
            return Ok(None);
        };
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let newest = known.programs.entry((tenant.clone(), program_id.to_owned())).or_insert(found.clone());
        if newest.version < found.version {
            *newest = found.clone();
        }
        Ok(Some(found))
    }

    /// A reward as it is in a version of its program, or in a later one; `None` if there is none.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn reward(
        &self,
        db: &impl ConnectionTrait,
        key: &rewards::Key,
        version: i64,
    ) -> Result<Option<Arc<Reward>>, db::Error> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).rewards.get(key).cloned();
        if let Some((_, reward)) = known.filter(|(read_at, _)| *read_at >= version) {
            return Ok(Some(reward));
        }
        let found = rewards::find(db, key).await?.map(Arc::new);
        if let Some(reward) = &found {
            let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
            let newest = known.rewards.entry(key.clone()).or_insert((version, reward.clone()));
            if newest.1.version < reward.version {
                newest.1 = reward.clone();
            }
            newest.0 = newest.0.max(version);
        }
        Ok(found)
    }
}
