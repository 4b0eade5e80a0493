//! The keys whose newest version did not reach Redis, so that an older one may still stand there.
//!
//! This process reads no version of a key older than the one remembered here. Where a key finds no room, it
//! reads nothing at all until every value that can be older than the lost one is past its life; the other
//! processes, which know nothing of it, have that life as their bound.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::{AGE_MAX, Key};

const KEYS_MAX: usize = 10_000;

#[derive(Default)]
pub(super) struct Unpublished {
    memory: Mutex<Memory>,
    /// Whether there is something in the memory: spares readers the lock.
    any: AtomicBool,
    added: Notify,
}

#[derive(Default)]
struct Memory {
    versions: HashMap<Key, i64>,
    /// Set when a key found no room: what is older than the lost write was the newest until that at most, and
    /// dies [`AGE_MAX`] after it.
    blind_until: Option<Instant>,
}

impl Unpublished {
    /// Notes that `version` of `key` exists and may be missing in Redis.
    pub(super) fn remember(&self, key: &Key, version: i64, now: Instant) {
        {
            let mut memory = self.memory();
            let Memory { versions, blind_until } = &mut *memory;
            let full = versions.len() >= KEYS_MAX;
            match versions.entry(key.clone()) {
                Occupied(mut known) => *known.get_mut() = version.max(*known.get()),
                Vacant(_) if full => {
                    if blind_until.replace(now + AGE_MAX).is_none() {
                        tracing::warn!("the cache is not read for a while: too many writes were lost");
                    }
                }
                Vacant(free) => _ = free.insert(version),
            }
            self.any.store(true, Ordering::Release);
        }
        self.added.notify_one();
    }

    /// All remembered keys.
    pub(super) fn all(&self) -> Vec<(Key, i64)> {
        self.memory().versions.iter().map(|(key, version)| (key.clone(), *version)).collect()
    }

    /// Forgets a key, unless a newer version of it was added meanwhile.
    pub(super) fn forget(&self, key: &Key, version: i64) {
        let mut memory = self.memory();
        if memory.versions.get(key) == Some(&version) {
            memory.versions.remove(key);
        }
        self.any.store(!memory.is_empty(), Ordering::Release);
    }

    /// Whether nothing may be read.
    pub(super) fn is_blind(&self, now: Instant) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let mut memory = self.memory();
        memory.blind_until = memory.blind_until.filter(|until| now < *until);
        self.any.store(!memory.is_empty(), Ordering::Release);
        memory.blind_until.is_some()
    }

    /// The version of `key` that is remembered: nothing older may be read. Asked before Redis is, because a
    /// key may be struck out, and forgotten here, while an older value is on its way from there.
    pub(super) fn version_min(&self, key: &Key) -> Option<i64> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        self.memory().versions.get(key).copied()
    }

    /// Resolves when something was added.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    /// A panic while the lock was held cannot leave a half-written map.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn is_empty(&self) -> bool {
        self.versions.is_empty() && self.blind_until.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(n: usize) -> Key {
        Key::new("acme", n, "balance")
    }

    #[test]
    fn it_knows_the_newest_version_until_that_is_struck_out() {
        let unpublished = Unpublished::default();
        let now = Instant::now();
        for version in [1, 3, 2] {
            unpublished.remember(&key(0), version, now);
        }
        assert_eq!(unpublished.all(), [(key(0), 3)]);
        unpublished.forget(&key(0), 1);
        assert_eq!((unpublished.version_min(&key(0)), unpublished.version_min(&key(1))), (Some(3), None));
        unpublished.forget(&key(0), 3);
        assert_eq!((unpublished.version_min(&key(0)), unpublished.all().len()), (None, 0));
    }

    #[test]
    fn without_room_for_a_key_nothing_is_read_until_all_that_is_older_has_died() {
        let unpublished = Unpublished::default();
        let now = Instant::now();
        for n in 0..KEYS_MAX {
            unpublished.remember(&key(n), 1, now);
        }
        unpublished.remember(&key(0), 2, now);
        assert!(!unpublished.is_blind(now), "there was room for all");
        let lost = now + Duration::from_secs(1);
        unpublished.remember(&key(KEYS_MAX), 1, lost);
        for (key, version) in unpublished.all() {
            unpublished.forget(&key, version);
        }
        assert!(unpublished.is_blind(now + AGE_MAX), "the memory is empty, but not of what was lost");
        assert!(!unpublished.is_blind(lost + AGE_MAX));
        unpublished.remember(&key(KEYS_MAX), 1, lost);
        assert!(!unpublished.is_blind(lost), "there is room again");
    }
}
