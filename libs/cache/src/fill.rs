//! What a reader gets: a snapshot, or the duty to read the database for all who wait.

use std::sync::Arc;
use std::time::Instant;

use crate::flights::Flight;
use crate::in_process::InProcess;
use crate::metrics::{Leasing, Metrics};
use crate::remote::Lease;
use crate::snapshot::{Entry, Read};
use crate::{Key, Snapshot};

/// The answer to [`Cache::get_or_fill`](crate::Cache::get_or_fill).
#[derive(Debug)]
pub enum Lookup {
    /// What the store has, or another reader brought meanwhile.
    Hit(Snapshot),
    /// Ask the database now, and offer what it says.
    Miss(Fill),
}

/// A database read for the store. Dropped without an offer, it passes to the next reader. The default one
/// offers nothing: its reader reads for itself alone.
#[derive(Debug, Default)]
pub struct Fill(Option<Held>);

#[derive(Debug)]
struct Held {
    /// From before the database is read.
    as_of: Instant,
    by: Holder,
}

#[derive(Debug)]
enum Holder {
    InProcess(Arc<InProcess>, Flight),
    Redis(Lease),
}

impl Lookup {
    pub(crate) fn filling_in_process(store: Arc<InProcess>, flight: Flight) -> Lookup {
        Lookup::Miss(Fill(Some(Held { as_of: Instant::now(), by: Holder::InProcess(store, flight) })))
    }

    pub(crate) fn filling_redis(lease: Lease) -> Lookup {
        Lookup::Miss(Fill(Some(Held { as_of: Instant::now(), by: Holder::Redis(lease) })))
    }

    /// For a reader whom nobody waits for.
    pub(crate) fn alone() -> Lookup {
        Lookup::Miss(Fill::default())
    }

    /// For a reader that waited and read `read`, or nothing in time.
    pub(crate) fn waited(metrics: &Metrics, key: &Key, read: Option<Read>) -> Lookup {
        if let Some(Read::Hit(snapshot)) = read {
            metrics.lease(key, Leasing::WaitedHit);
            return Lookup::Hit(snapshot);
        }
        metrics.lease(key, Leasing::WaitedTimeout);
        Lookup::alone()
    }
}

impl Fill {
    /// Offers what the database said. It is taken only if nobody wrote the key since the fill began. A fill
    /// that does not arrive costs the next reader a database read and nothing else.
    pub async fn offer(self, snapshot: Snapshot) {
        let Some(Held { as_of, by }) = self.0 else { return };
        let entry = Entry::of(&snapshot, as_of);
        match by {
            Holder::InProcess(store, flight) => store.fill(flight, entry),
            Holder::Redis(lease) => lease.offer(entry).await,
        }
    }
}
