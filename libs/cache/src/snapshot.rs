//! A snapshot of a row, and the order in which stores accept them.

use std::time::{Duration, Instant};

use ambient::Time;
use bytes::Bytes;

use crate::AGE_MAX;

/// What a row looked like at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The row's version: grows with every commit that changes the row.
    pub version: i64,
    /// The business time at which this view stops being true although nothing was written: the next
    /// activation, expiry, end of a hold or tier boundary. A reader at or past it gets a miss.
    pub valid_until: Time,
    /// The encoded view.
    pub bytes: Bytes,
}

/// What a reader accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) now: Time,
    pub(crate) version_min: Option<i64>,
}

/// What a store holds under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) version: i64,
    pub(crate) valid_until: Time,
    /// `None` for a tombstone.
    pub(crate) bytes: Option<Bytes>,
    /// A machine moment at which this version was the newest.
    pub(crate) as_of: Instant,
}

/// What a reader gets from an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Hit(Snapshot),
    Miss,
    /// There was a snapshot, older than the reader's token.
    Stale,
}

impl Entry {
    pub(crate) fn of(snapshot: &Snapshot, as_of: Instant) -> Entry {
        let Snapshot { version, valid_until, bytes } = snapshot.clone();
        Entry { version, valid_until, bytes: Some(bytes), as_of }
    }

    pub(crate) fn tombstone(version: i64, as_of: Instant) -> Entry {
        Entry { version, valid_until: Time::NEVER, bytes: None, as_of }
    }

    /// The order in which entries replace each other: by version; a snapshot replaces the tombstone of its
    /// own version; of two views of one version the one computed later, which is true for longer, wins.
    pub(crate) fn rank(&self) -> (i64, Option<Time>) {
        (self.version, self.bytes.as_ref().map(|_| self.valid_until))
    }

    /// Itself while it is younger than `ttl`; then what stays true: that its version exists.
    pub(crate) fn or_tombstone(self, ttl: Duration) -> Entry {
        if self.as_of.elapsed() < ttl { self } else { Entry::tombstone(self.version, Instant::now()) }
    }

    /// How much longer this entry may be read; zero when it may not.
    pub(crate) fn life(&self) -> Duration {
        AGE_MAX.saturating_sub(self.as_of.elapsed())
    }

    pub(crate) fn read(self, limits: Limits) -> Read {
        let Some(bytes) = self.bytes else { return Read::Miss };
        if limits.version_min.is_some_and(|version_min| self.version < version_min) {
            return Read::Stale;
        }
        if limits.now >= self.valid_until && !self.valid_until.is_never() {
            return Read::Miss;
        }
        Read::Hit(Snapshot { version: self.version, valid_until: self.valid_until, bytes })
    }
}

impl Read {
    pub(crate) fn is_hit(&self) -> bool {
        matches!(self, Read::Hit(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(version: i64, valid_until: i64) -> Entry {
        let valid_until = Time::from_micros(valid_until);
        Entry::of(&Snapshot { version, valid_until, bytes: Bytes::new() }, Instant::now())
    }

    #[test]
    fn versions_then_tombstones_then_views() {
        let order =
            [entry(1, 9), Entry::tombstone(2, Instant::now()), entry(2, 5), entry(2, 6), entry(10, 1)];
        for (i, earlier) in order.iter().enumerate() {
            for later in &order[i + 1..] {
                assert!(earlier.rank() < later.rank(), "{earlier:?} {later:?}");
            }
        }
    }

    #[test]
    fn a_view_ends_at_its_moment_and_never_does_not() {
        let at = |now: i64| Limits { now: Time::from_micros(now), version_min: None };
        assert!(matches!(entry(1, 10).read(at(9)), Read::Hit(_)));
        assert_eq!(entry(1, 10).read(at(10)), Read::Miss);
        assert!(matches!(entry(1, i64::MAX).read(at(i64::MAX)), Read::Hit(_)));
    }

    #[test]
    fn an_entry_dies_with_the_moment_it_was_known_not_with_its_writing() {
        let old = Instant::now().checked_sub(AGE_MAX).expect("the machine has been up for 30 s");
        assert_eq!(Entry::tombstone(1, old).life(), Duration::ZERO);
    }
}
