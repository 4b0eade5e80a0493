//! The keys whose newest version did not reach Redis, so that an older one may still stand there.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::Key;

/// Beyond this many keys the life of the values is the only bound.
const KEYS_MAX: usize = 10_000;

#[derive(Default)]
pub(super) struct Unpublished {
    versions: Mutex<HashMap<Key, i64>>,
    added: Notify,
}

impl Unpublished {
    /// Notes that `version` of `key` exists and may be missing in Redis.
    pub(super) fn remember(&self, key: &Key, version: i64) {
        {
            let mut versions = self.versions();
            if let Some(known) = versions.get_mut(key) {
                *known = version.max(*known);
            } else if versions.len() < KEYS_MAX {
                versions.insert(key.clone(), version);
            }
        }
        self.added.notify_one();
    }

    /// Up to `count` of the remembered keys.
    pub(super) fn some(&self, count: usize) -> Vec<(Key, i64)> {
        self.versions().iter().take(count).map(|(key, version)| (key.clone(), *version)).collect()
    }

    /// Forgets a key, unless a newer version of it was added meanwhile.
    pub(super) fn forget(&self, key: &Key, version: i64) {
        let mut versions = self.versions();
        if versions.get(key) == Some(&version) {
            versions.remove(key);
        }
    }

    /// Resolves when something was added.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    /// A panic while the lock was held cannot leave a half-written map.
    fn versions(&self) -> MutexGuard<'_, HashMap<Key, i64>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_newest_version_and_a_bounded_number_of_keys() {
        let unpublished = Unpublished::default();
        let key = |n: usize| Key::new("acme", n, "balance");
        for n in 0..KEYS_MAX + 5 {
            unpublished.remember(&key(n), 1);
        }
        unpublished.remember(&key(0), 3);
        unpublished.remember(&key(0), 2);
        assert_eq!(unpublished.some(usize::MAX).len(), KEYS_MAX);
        unpublished.forget(&key(0), 1);
        assert!(unpublished.some(usize::MAX).contains(&(key(0), 3)));
        unpublished.forget(&key(0), 3);
        assert_eq!(unpublished.some(usize::MAX).len(), KEYS_MAX - 1);
    }
}
