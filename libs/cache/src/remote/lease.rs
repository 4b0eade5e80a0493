//! Leases: over all processes one reader at a time reads the database for a key, and what it brings counts
//! only if nobody wrote the key meanwhile.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::breaker::Failure;
use crate::flights::{Flight, Patience, Turn};
use crate::metrics::Leasing;
use crate::snapshot::{Entry, Limits};
use crate::wire::{self, Decoded};
use crate::{Key, Lookup};

/// How long a lease keeps others waiting if its reader dies, by the clocks of the machines.
const LIFE: Duration = Duration::from_secs(2);

/// After how long a reader that waits looks again; each further pause is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// A lease that this process has, or may have.
pub(crate) struct Lease {
    shared: Arc<Shared>,
    flight: Flight,
    /// What stands in Redis while the lease does; empty before it was asked for.
    leased: Bytes,
    /// What stood there before.
    before: Bytes,
    /// Nothing older was the newest when the lease was taken.
    version_min: i64,
}

/// Continues a read that found `seen` under `key` and cannot use it.
pub(super) async fn get_or_fill(
    shared: &Arc<Shared>,
    key: &Key,
    limits: Limits,
    seen: Bytes,
    patience: Patience,
) -> Lookup {
    let read = match shared.flights.join(key, patience).await {
        Turn::Mine(flight) => match lead(shared, flight, limits, seen, patience).await {
            Ok(lookup) => return lookup,
            Err(failure) => {
                shared.metrics.lease_lost(key, failure.lost());
                return Lookup::alone();
            }
        },
        Turn::Landed(entry) => Some(entry.read(limits)),
        Turn::Late => None,
    };
    Lookup::waited(&shared.metrics, key, read)
}

/// Asks Redis for all readers of the key in this process.
async fn lead(
    shared: &Arc<Shared>,
    flight: Flight,
    limits: Limits,
    mut seen: Bytes,
    patience: Patience,
) -> Result<Lookup, Failure> {
    let key = flight.key().clone();
    let mut lease = Lease::new(Arc::clone(shared), flight);
    let mut pause = PAUSE_MIN;
    loop {
        let version = match wire::decode(&key, seen.clone(), wire::machine_now()) {
            Decoded::Leased if Instant::now() >= patience.asks_until => {
                return Ok(Lookup::waited(&shared.metrics, &key, None));
            }
            Decoded::Leased => {
                sleep_until(patience.asks_until.min(Instant::now() + pause)).await;
                pause *= 2;
                seen = shared.fetch(&key, patience.left()).await?.unwrap_or_default();
                continue;
            }
            Decoded::Entry(entry) => {
                let read = entry.clone().read(limits);
                if read.is_hit() {
                    lease.flight.land(entry);
                    return Ok(Lookup::waited(&shared.metrics, &key, Some(read)));
                }
                Some(entry.version)
            }
            Decoded::Dead { version } => Some(version),
            Decoded::Garbage => None,
        };
        match lease.take(seen, version, patience).await? {
            Ok(()) => {
                shared.metrics.lease(&key, Leasing::Taken);
                return Ok(Lookup::filling_redis(lease));
            }
            Err(found) => seen = found,
        }
    }
}

impl Lease {
    /// Not asked for yet.
    fn new(shared: Arc<Shared>, flight: Flight) -> Lease {
        Lease { shared, flight, leased: Bytes::new(), before: Bytes::new(), version_min: i64::MIN }
    }

    /// Takes the lease in the place of `seen`, the value of `version` if it is one; the inner error is what
    /// stands there instead.
    async fn take(
        &mut self,
        seen: Bytes,
        version: Option<i64>,
        patience: Patience,
    ) -> Result<Result<(), Bytes>, Failure> {
        let key = self.flight.key();
        let dead_after = wire::machine_now().saturating_add(LIFE);
        let token = rand::random::<u128>().to_be_bytes();
        // Until the answer is there, the lease may be: whoever gives up meanwhile gives it back.
        self.version_min = version.unwrap_or(i64::MIN);
        self.leased = wire::encode_lease(key, self.version_min, token, dead_after);
        self.before = seen;
        // A tombstone goes on to refuse what is older for as long as it would have.
        let life_ms = if version.is_some() { String::new() } else { LIFE.as_millis().to_string() };
        let arguments = [&self.before[..], &self.leased, life_ms.as_bytes()];
        let taken = self.shared.swap(key, arguments, patience.left()).await?;
        if taken.is_err() {
            self.leased.clear();
        }
        Ok(taken)
    }

    /// Offers what was read. Those who wait for it get it only if Redis takes it: nobody wrote the key
    /// meanwhile.
    pub(crate) async fn offer(mut self, entry: Entry) {
        let key = self.flight.key();
        if entry.version < self.version_min {
            self.shared.metrics.lease(key, Leasing::Void);
            return;
        }
        let Some(taken) = self.shared.fill(key, entry.clone(), &self.leased).await else { return };
        self.leased.clear();
        if taken {
            self.flight.land(entry);
        } else {
            self.shared.metrics.lease(self.flight.key(), Leasing::Void);
        }
    }
}

impl Drop for Lease {
    /// Gives the lease back, so that a reader that goes away or finds nothing does not keep others waiting.
    fn drop(&mut self) {
        if self.leased.is_empty() {
            return;
        }
        // Without a runtime the lease ends by itself.
        let Ok(runtime) = Handle::try_current() else { return };
        let (shared, key) = (Arc::clone(&self.shared), self.flight.key().clone());
        let (leased, before) = (self.leased.clone(), self.before.clone());
        runtime.spawn(async move {
            let _ = shared.swap(&key, [&leased, &before, b""], shared.settings.response_timeout).await;
        });
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("key", self.flight.key()).finish_non_exhaustive()
    }
}
