//! Identifiers: random, or drawn from a seed so that a run can be repeated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::{Builder, Uuid};

use crate::Time;

/// Where new identifiers come from. Clones share the same sequence.
#[derive(Clone, Debug)]
pub enum Ids {
    /// Drawn from the system's random source.
    Random,
    /// Drawn from a seed: the n-th identifier is always the same.
    Seeded(Arc<AtomicU64>),
}

impl Ids {
    /// Identifiers that repeat for the same `seed`.
    pub fn seeded(seed: u64) -> Ids {
        Ids::Seeded(Arc::new(AtomicU64::new(seed)))
    }

    /// A UUIDv4: says nothing about when it was made.
    pub fn v4(&self) -> Uuid {
        Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// A UUIDv7: sorts by `now`, to the millisecond.
    pub fn v7(&self, now: Time) -> Uuid {
        let millis = u64::try_from(now.micros().div_euclid(1_000)).unwrap_or(0);
        let mut random = [0; 10];
        random.copy_from_slice(&self.bytes()[..10]);
        Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where identifiers are drawn at random")]
    fn bytes(&self) -> [u8; 16] {
        match self {
            Ids::Random => Uuid::new_v4().into_bytes(),
            Ids::Seeded(state) => {
                let n = state.fetch_add(2, Ordering::SeqCst);
                let mut bytes = [0; 16];
                bytes[..8].copy_from_slice(&split_mix(n).to_be_bytes());
                bytes[8..].copy_from_slice(&split_mix(n.wrapping_add(1)).to_be_bytes());
                bytes
            }
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): spreads a counter over all 64 bits.
fn split_mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_identifiers_and_no_two_alike() {
        let (a, b) = (Ids::seeded(7), Ids::seeded(7));
        let drawn: Vec<_> = (0..100).map(|_| a.v4()).collect();
        assert_eq!(drawn, (0..100).map(|_| b.v4()).collect::<Vec<_>>());
        assert_eq!(drawn.iter().collect::<std::collections::HashSet<_>>().len(), 100);
    }

    #[test]
    fn v7_sorts_by_time() {
        let ids = Ids::Random;
        let early = ids.v7(Time::from_micros(1_000_000));
        let late = ids.v7(Time::from_micros(2_000_000));
        assert!(early < late);
        assert_eq!(early.get_version_num(), 7);
    }
}
