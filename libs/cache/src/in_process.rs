//! The store in this process: a bounded map that keeps what is read often.

use std::sync::Arc;
use std::time::Duration;

use moka::ops::compute::Op;
use moka::sync::Cache as Map;

use crate::flights::{Flight, Flights, Patience, Turn};
use crate::metrics::{Leasing, Metrics};
use crate::snapshot::{Entry, Limits, Read};
use crate::{AGE_MAX, Key, Lookup, Snapshot};

/// How long a reader waits for another one's database read: its own would hardly be faster, so this is only
/// for one that never ends.
const WAIT_MAX: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct InProcess {
    entries: Map<Key, Entry>,
    flights: Arc<Flights>,
    metrics: Metrics,
}

impl InProcess {
    pub(crate) fn new(capacity: u64) -> InProcess {
        let entries = Map::builder().max_capacity(capacity).time_to_live(AGE_MAX).build();
        InProcess { entries, flights: Arc::default(), metrics: Metrics::new("in_process") }
    }

    pub(crate) fn get(&self, key: &Key, limits: Limits) -> Option<Snapshot> {
        let read = self.alive(key).map_or(Read::Miss, |entry| entry.read(limits));
        self.metrics.read(key, &read);
        match read {
            Read::Hit(snapshot) => Some(snapshot),
            Read::Miss | Read::Stale => None,
        }
    }

    pub(crate) async fn get_or_fill(self: &Arc<Self>, key: &Key, limits: Limits) -> Lookup {
        if let Some(snapshot) = self.get(key, limits) {
            return Lookup::Hit(snapshot);
        }
        let read = match self.flights.join(key, Patience::of(WAIT_MAX)).await {
            Turn::Mine(flight) => {
                // Whoever flew before may have landed since the miss.
                let Some(entry) = self.alive(key).filter(|entry| entry.clone().read(limits).is_hit()) else {
                    self.metrics.lease(key, Leasing::Taken);
                    return Lookup::filling_in_process(Arc::clone(self), flight);
                };
                flight.land(entry.clone());
                Some(entry.read(limits))
            }
            Turn::Landed(entry) => Some(entry.read(limits)),
            Turn::Late => None,
        };
        Lookup::waited(&self.metrics, key, read)
    }

    pub(crate) fn put_many(&self, entries: &[(&Key, Entry)]) {
        for (key, entry) in entries {
            // Before the write: whoever starts from here on reads what the write's commit left.
            self.flights.void(key);
            let taken = self.put(key, entry.clone().or_tombstone(AGE_MAX));
            self.metrics.written(key, taken);
        }
    }

    /// Takes what a flight brings, unless the key was written meanwhile. The versions alone do not say so:
    /// the newer one may have been evicted.
    pub(crate) fn fill(&self, flight: Flight, entry: Entry) {
        let key = flight.key();
        let taken = flight.unless_void(|| self.put(key, entry.clone())).unwrap_or(false);
        self.metrics.written(key, taken);
        if taken {
            flight.land(entry);
        } else {
            self.metrics.lease(key, Leasing::Void);
        }
    }

    fn alive(&self, key: &Key) -> Option<Entry> {
        self.entries.get(key).filter(|entry| !entry.life().is_zero())
    }

    /// Compares and replaces under the key's lock.
    fn put(&self, key: &Key, offered: Entry) -> bool {
        let mut taken = false;
        self.entries.entry_by_ref(key).and_compute_with(|current| {
            let newer = current.is_none_or(|current| newer(&offered, current.value()));
            taken = newer && !offered.life().is_zero();
            if taken { Op::Put(offered) } else { Op::Nop }
        });
        taken
    }
}

/// An entry past its life guards nothing any more: whatever it could refuse is past its life too.
fn newer(offered: &Entry, current: &Entry) -> bool {
    current.life().is_zero() || offered.rank() > current.rank()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use ambient::Time;
    use bytes::Bytes;

    use super::*;

    const LIMITS: Limits = Limits { now: Time::from_micros(0), version_min: None };

    fn key() -> Key {
        Key::new("acme", "m-1", "balance")
    }

    fn snapshot(version: i64) -> Snapshot {
        Snapshot { version, valid_until: Time::NEVER, bytes: Bytes::new() }
    }

    #[test]
    fn a_write_that_is_too_old_to_be_read_replaces_what_is_older_than_it() {
        let store = InProcess::new(10);
        let old = Instant::now().checked_sub(AGE_MAX).expect("the machine has been up for 30 s");
        store.put_many(&[(&key(), Entry::of(&snapshot(1), Instant::now()))]);
        store.put_many(&[(&key(), Entry::of(&snapshot(2), old))]);
        assert_eq!(store.get(&key(), LIMITS), None);
        store.entries.insert(key(), Entry::of(&snapshot(3), old));
        assert_eq!(store.get(&key(), LIMITS), None);
    }

    #[tokio::test]
    async fn a_fill_is_void_after_a_write_though_what_was_written_is_evicted() {
        let store = Arc::new(InProcess::new(10));
        let Lookup::Miss(fill) = store.get_or_fill(&key(), LIMITS).await else { panic!("nothing is there") };
        store.put_many(&[(&key(), Entry::of(&snapshot(2), Instant::now()))]);
        store.entries.invalidate(&key());
        fill.offer(snapshot(1)).await;
        assert_eq!(store.get(&key(), LIMITS), None);
    }

    #[test]
    fn it_holds_no_more_than_its_capacity() {
        let store = InProcess::new(10);
        for i in 0..1_000 {
            let key = Key::new("acme", i, "balance");
            store.put_many(&[(&key, Entry::tombstone(1, Instant::now()))]);
        }
        store.entries.run_pending_tasks();
        assert!(store.entries.entry_count() <= 10, "{}", store.entries.entry_count());
    }
}
