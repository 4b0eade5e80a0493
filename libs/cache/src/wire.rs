//! An entry as bytes that another process can trust: garbage, a truncated value or another key's value never
//! decodes.
//!
//! The first 39 bytes keep their places in every format, because a writer of another version compares them in
//! Redis:
//!
//! | bytes | meaning |
//! |---|---|
//! | 0 | `R` |
//! | 1 | format |
//! | 2..19 | rank: version, 0 tombstone or 1 snapshot, `valid_until`; ordered as unsigned bytes |
//! | 19..27 | machine time, ms since the epoch, after which the value is dead |
//! | 27..31 | length of the payload |
//! | 31..39 | checksum over the key and all other bytes |
//!
//! A lease stands in the place of the value that it is about, as a tombstone whose payload is its token: so
//! whatever replaces the value ends the lease too, in one step and within one cluster slot.

use std::time::{Duration, Instant};

use ambient::Time;
use bytes::{BufMut, Bytes, BytesMut};

use crate::Key;
use crate::snapshot::Entry;

const MAGIC: u8 = b'R';
const FORMAT: u8 = 1;
const CHECKSUM: std::ops::Range<usize> = 31..39;
const HEADER: usize = 39;

/// Machine time, comparable between processes: a value that was stuck on its way into a hung Redis for
/// minutes is recognised by it, though its TTL began when Redis woke up.
#[expect(clippy::disallowed_methods, reason = "machine time: bounds the age of a value, decides nothing")]
pub(crate) fn machine_now() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// `entry` for `key`, dead at `dead_after` (machine time).
pub(crate) fn encode(key: &Key, entry: &Entry, dead_after: Duration) -> Bytes {
    encode_with(key, entry, entry.bytes.as_deref().unwrap_or_default(), dead_after)
}

/// The lease `token` on `key`, dead at `dead_after`: refuses what is older than `version`.
pub(crate) fn encode_lease(key: &Key, version: i64, token: [u8; 16], dead_after: Duration) -> Bytes {
    encode_with(key, &Entry::tombstone(version, Instant::now()), &token, dead_after)
}

fn encode_with(key: &Key, entry: &Entry, payload: &[u8], dead_after: Duration) -> Bytes {
    let mut raw = BytesMut::with_capacity(HEADER + payload.len());
    raw.put_u8(MAGIC);
    raw.put_u8(FORMAT);
    raw.put_u64(ordered(entry.version));
    raw.put_u8(u8::from(entry.bytes.is_some()));
    raw.put_u64(if entry.bytes.is_some() { ordered(entry.valid_until.micros()) } else { 0 });
    raw.put_u64(u64::try_from(dead_after.as_millis()).unwrap_or(u64::MAX));
    raw.put_u32(u32::try_from(payload.len()).unwrap_or(u32::MAX));
    raw.put_u64(0);
    raw.put_slice(payload);
    let sum = checksum(key, &raw);
    raw[CHECKSUM].copy_from_slice(&sum.to_be_bytes());
    raw.freeze()
}

/// What bytes found under a key turn out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    Entry(Entry),
    /// A reader is bringing a value.
    Leased,
    /// Ours, and past its life.
    Dead {
        version: i64,
    },
    /// Not ours, not whole, not this key's, or of another format.
    Garbage,
}

/// Reads what was found under `key` at `now` (machine time).
pub(crate) fn decode(key: &Key, raw: Bytes, now: Duration) -> Decoded {
    let Some(header) = raw.first_chunk::<HEADER>() else { return Decoded::Garbage };
    let payload_len = u64::from(u32::from_be_bytes(bytes_at(header, 27)));
    let whole = u64::try_from(raw.len() - HEADER) == Ok(payload_len);
    if header[0] != MAGIC || header[1] != FORMAT || !whole {
        return Decoded::Garbage;
    }
    if u64::from_be_bytes(bytes_at(header, CHECKSUM.start)) != checksum(key, &raw) {
        return Decoded::Garbage;
    }
    let version = unordered(bytes_at(header, 2));
    if now.as_millis() > u128::from(u64::from_be_bytes(bytes_at(header, 19))) {
        return Decoded::Dead { version };
    }
    let as_of = Instant::now();
    match header[10] {
        0 if payload_len > 0 => Decoded::Leased,
        0 => Decoded::Entry(Entry::tombstone(version, as_of)),
        _ => {
            let valid_until = Time::from_micros(unordered(bytes_at(header, 11)));
            Decoded::Entry(Entry { version, valid_until, bytes: Some(raw.slice(HEADER..)), as_of })
        }
    }
}

fn bytes_at<const N: usize>(header: &[u8; HEADER], start: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[start..start + N]);
    bytes
}

/// Maps the order of signed numbers onto the order of unsigned bytes.
fn ordered(n: i64) -> u64 {
    n.cast_unsigned() ^ (1 << 63)
}

fn unordered(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed()
}

/// FNV-1a, 64 bits: against accidents, not against an attacker who can write to Redis.
fn checksum(key: &Key, raw: &[u8]) -> u64 {
    let parts = [key.text().as_bytes(), &raw[..CHECKSUM.start], &raw[CHECKSUM.end..]];
    parts
        .into_iter()
        .flatten()
        .fold(0xCBF2_9CE4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Snapshot;

    const NOW: Duration = Duration::from_secs(1_000_000);

    fn key() -> Key {
        Key::new("acme", "m-1", "balance")
    }

    fn encoded(version: i64, bytes: &'static [u8]) -> Bytes {
        let snapshot =
            Snapshot { version, valid_until: Time::from_micros(5), bytes: Bytes::from_static(bytes) };
        encode(&key(), &Entry::of(&snapshot, Instant::now()), NOW)
    }

    #[test]
    fn an_entry_comes_back_whole_and_dies_after_its_moment() {
        let Decoded::Entry(entry) = decode(&key(), encoded(-7, b"hello"), NOW) else { panic!("not decoded") };
        assert_eq!((entry.version, entry.valid_until.micros()), (-7, 5));
        assert_eq!(entry.bytes.as_deref(), Some(&b"hello"[..]));
        let dead = decode(&key(), encoded(1, b""), NOW + Duration::from_millis(1));
        assert_eq!(dead, Decoded::Dead { version: 1 });
    }

    #[test]
    fn a_lease_keeps_the_rank_of_a_tombstone_and_ends() {
        let lease = encode_lease(&key(), 4, [7; 16], NOW);
        assert_eq!(decode(&key(), lease.clone(), NOW), Decoded::Leased);
        let dead = decode(&key(), lease.clone(), NOW + Duration::from_millis(1));
        assert_eq!(dead, Decoded::Dead { version: 4 });
        assert_eq!(lease[2..19], encode(&key(), &Entry::tombstone(4, Instant::now()), NOW)[2..19]);
    }

    #[test]
    fn every_truncation_every_flipped_bit_and_every_other_key_is_garbage() {
        let raw = encoded(3, b"hello");
        for len in 0..raw.len() {
            assert_eq!(decode(&key(), raw.slice(..len), NOW), Decoded::Garbage, "{len} bytes");
        }
        for bit in 0..raw.len() * 8 {
            let mut flipped = raw.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&key(), flipped.into(), NOW), Decoded::Garbage, "bit {bit}");
        }
        assert_eq!(decode(&Key::new("other", "m-1", "balance"), raw, NOW), Decoded::Garbage);
    }

    #[test]
    fn the_bytes_of_the_rank_order_as_the_entries_do() {
        let versions = [i64::MIN, -1, 0, 1, 255, 256, 1 << 53, (1 << 53) + 1, i64::MAX];
        for pair in versions.windows(2) {
            assert!(encoded(pair[0], b"")[2..19] < encoded(pair[1], b"")[2..19], "{pair:?}");
        }
        let tombstone = encode(&key(), &Entry::tombstone(4, Instant::now()), NOW);
        assert!(encoded(3, b"")[2..19] < tombstone[2..19] && tombstone[2..19] < encoded(4, b"")[2..19]);
    }
}
