//! What requests left before: their records, and the activities that have their external ids.
//!
//! Most requests are new. Whether all of a batch are is asked in the statement that locks their wallets,
//! which saves two round trips under the lock. That statement may have waited, and does not see what was
//! written meanwhile. If that changed a wallet, everything is looked for. What left all wallets as they were
//! decides nothing else, but is recorded, too: then the unique keys refuse the batch, and it is decided
//! again.

use std::collections::HashMap;

use db::{Lookup, Tx};
use requests::Record;
use uuid::Uuid;

use super::Request;
use crate::domain::{ActivityRef, Command};
use crate::store::Owner;
use crate::store::activities::{self, ExternalKey};

/// What is looked for.
pub(super) struct Wanted {
    ids: Vec<(Owner, Uuid)>,
    external: Vec<ExternalKey>,
    repeated: bool,
}

/// What there is of it.
#[derive(Default)]
pub(super) struct Known {
    pub(super) recorded: HashMap<(Owner, Uuid), Record>,
    /// Two of the requests share an id: what the first one leaves must be found by the second.
    pub(super) repeated: bool,
    pub(super) external: HashMap<ExternalKey, Uuid>,
}

impl Wanted {
    pub(super) fn of(requests: &[Request]) -> Wanted {
        let ids = requests.iter().filter_map(|r| Some((r.owner.clone(), r.call.as_ref()?.call.request_id)));
        let mut ids: Vec<(Owner, Uuid)> = ids.collect();
        let asked = ids.len();
        ids.sort_unstable();
        ids.dedup();
        let mut external: Vec<ExternalKey> = requests.iter().filter_map(external_key).collect();
        external.sort_unstable();
        external.dedup();
        Wanted { repeated: ids.len() < asked, ids, external }
    }

    pub(super) fn lookups(&self) -> [Lookup; 2] {
        [requests::lookup(&self.ids), activities::external_lookup(&self.external)]
    }

    /// Finds it, if any of it may be there.
    pub(super) async fn find(&self, tx: &Tx, maybe: bool) -> Result<Known, db::Error> {
        let mut known = Known { repeated: self.repeated, ..Known::default() };
        if maybe {
            known.recorded = requests::find(tx, &self.ids).await?;
            known.external = activities::find_external(tx, &self.external).await?;
        }
        Ok(known)
    }
}

/// The caller's own key of the activity that a request records or names.
pub(super) fn external_key(request: &Request) -> Option<ExternalKey> {
    let id = match (&request.command, request.command.activity()) {
        (Command::RecordActivity(record), _) => &record.external_id,
        (_, Some(ActivityRef::External(id))) => id,
        _ => return None,
    };
    // Whoever acts is the member of the wallet that is named.
    (!id.is_empty()).then(|| (request.acts_on().clone(), request.owner.id(), id.clone()))
}
