//! Programs and rewards, held in the process: they do not change once created.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use db::sea_orm::ConnectionTrait;

use crate::domain::{Program, Reward};
use crate::store::{Tenant, programs, rewards};

/// Programs and rewards by their keys. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Catalogue(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    programs: HashMap<(Tenant, String), Arc<Program>>,
    rewards: HashMap<rewards::Key, Arc<Reward>>,
}

impl Catalogue {
    /// A program; `None` if there is none.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn program(
        &self,
        db: &impl ConnectionTrait,
        tenant: &Tenant,
        program_id: &str,
    ) -> Result<Option<Arc<Program>>, db::Error> {
        let key = (tenant.clone(), program_id.to_owned());
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).programs.get(&key) {
            return Ok(Some(known.clone()));
        }
        let found = programs::find(db, tenant, program_id).await?.map(Arc::new);
        if let Some(program) = &found {
            let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
            known.programs.insert(key, program.clone());
        }
        Ok(found)
    }

    /// A reward; `None` if there is none.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn reward(
        &self,
        db: &impl ConnectionTrait,
        key: &rewards::Key,
    ) -> Result<Option<Arc<Reward>>, db::Error> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).rewards.get(key) {
            return Ok(Some(known.clone()));
        }
        let found = rewards::find(db, key).await?.map(Arc::new);
        if let Some(reward) = &found {
            let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
            known.rewards.insert(key.clone(), reward.clone());
        }
        Ok(found)
    }
}
