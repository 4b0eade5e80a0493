//! One database read per key within a process: the first reader that misses flies, the others wait until it
//! lands.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::Key;
use crate::snapshot::Entry;

type Landing = watch::Receiver<Option<Entry>>;

/// The keys that are being read from the database.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<Key, Landing>>);

/// The duty to read one key. Dropped without landing, it passes to one of those who wait.
#[derive(Debug)]
pub(crate) struct Flight {
    flights: Arc<Flights>,
    key: Key,
    landed: watch::Sender<Option<Entry>>,
}

/// How long a reader waits for others before it reads the database itself.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// Nothing that has to be answered is asked any more.
    pub(crate) asks_until: Instant,
    /// Nothing is waited for any more.
    pub(crate) ends: Instant,
}

/// What comes of a reader that joins.
pub(crate) enum Turn {
    /// Nobody else is on the way.
    Mine(Flight),
    /// What another reader brought, and the store accepted.
    Landed(Entry),
    /// The others took too long.
    Late,
}

impl Patience {
    /// Half of `budget` for waiting, the other half for the last answer.
    pub(crate) fn of(budget: Duration) -> Patience {
        let now = Instant::now();
        Patience { asks_until: now + budget / 2, ends: now + budget }
    }

    pub(crate) fn left(self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }
}

impl Flights {
    /// Takes off, or waits for the one who has.
    pub(crate) async fn join(self: &Arc<Self>, key: &Key, patience: Patience) -> Turn {
        while Instant::now() < patience.asks_until {
            let mut landing = match self.take_off(key) {
                Ok(flight) => return Turn::Mine(flight),
                Err(landing) => landing,
            };
            match timeout_at(patience.ends, landing.wait_for(Option::is_some)).await {
                Ok(Ok(landed)) => return landed.clone().map_or(Turn::Late, Turn::Landed),
                Ok(Err(_)) => {}
                Err(_) => return Turn::Late,
            }
        }
        Turn::Late
    }

    /// Says that `key` was written: what is under way may be older, and will not be accepted.
    pub(crate) fn void(&self, key: &Key) {
        self.under_way().remove(key);
    }

    fn take_off(self: &Arc<Self>, key: &Key) -> Result<Flight, Landing> {
        match self.under_way().entry(key.clone()) {
            Occupied(flight) => Err(flight.get().clone()),
            Vacant(free) => {
                let (landed, landing) = watch::channel(None);
                free.insert(landing);
                Ok(Flight { flights: Arc::clone(self), key: key.clone(), landed })
            }
        }
    }

    /// A panic while the lock was held cannot leave a half-written map.
    fn under_way(&self) -> MutexGuard<'_, HashMap<Key, Landing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Gives what was read to all who wait.
    pub(crate) fn land(&self, entry: Entry) {
        self.landed.send_replace(Some(entry));
    }

    /// Runs `work` unless the key was written since the start; no write comes between.
    pub(crate) fn unless_void<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let under_way = self.flights.under_way();
        under_way.get(&self.key).is_some_and(|landing| self.leads_to(landing)).then(work)
    }

    fn leads_to(&self, landing: &Landing) -> bool {
        self.landed.subscribe().same_channel(landing)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut under_way = self.flights.under_way();
        if under_way.get(&self.key).is_some_and(|landing| self.leads_to(landing)) {
            under_way.remove(&self.key);
        }
    }
}
