//! The store in this process: a bounded map that keeps what is read often.

use moka::ops::compute::Op;
use moka::sync::Cache as Map;

use crate::metrics::Metrics;
use crate::snapshot::{Entry, Limits, Read};
use crate::{AGE_MAX, Key, Snapshot};

#[derive(Debug)]
pub(crate) struct InProcess {
    entries: Map<Key, Entry>,
    metrics: Metrics,
}

impl InProcess {
    pub(crate) fn new(capacity: u64) -> InProcess {
        let entries = Map::builder().max_capacity(capacity).time_to_live(AGE_MAX).build();
        InProcess { entries, metrics: Metrics::new("in_process") }
    }

    pub(crate) fn get(&self, key: &Key, limits: Limits) -> Option<Snapshot> {
        let read = match self.entries.get(key) {
            Some(entry) if !entry.life().is_zero() => entry.read(limits),
            _ => Read::Miss,
        };
        self.metrics.read(key, &read);
        match read {
            Read::Hit(snapshot) => Some(snapshot),
            Read::Miss | Read::Stale => None,
        }
    }

    pub(crate) fn put_many(&self, entries: &[(&Key, Entry)]) {
        for (key, entry) in entries {
            let taken = self.put(key, entry.clone());
            self.metrics.written(key, taken);
        }
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

    #[test]
    fn an_entry_that_is_too_old_is_neither_taken_nor_read() {
        let store = InProcess::new(10);
        let key = Key::new("acme", "m-1", "balance");
        let old = Instant::now().checked_sub(AGE_MAX).expect("the machine has been up for 30 s");
        let snapshot = Snapshot { version: 1, valid_until: Time::NEVER, bytes: Bytes::new() };
        let limits = Limits { now: Time::from_micros(0), version_min: None };
        store.put_many(&[(&key, Entry::of(&snapshot, old))]);
        assert_eq!(store.get(&key, limits), None);
        store.entries.insert(key.clone(), Entry::of(&snapshot, old));
        assert_eq!(store.get(&key, limits), None);
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
