//! The distribution column: which of a fixed number of buckets an owner's rows live in.

use sha2::{Digest, Sha256};

/// How many buckets there are. Written into rows, so it never changes for an existing database.
pub const BUCKETS: u64 = 64;

/// The bucket of an owner (a wallet, an aggregate): the first 8 bytes of SHA-256 over its id's text, mod 64.
pub fn bucket_of(owner_id: &str) -> i32 {
    let digest = Sha256::digest(owner_id.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i32::try_from(u64::from_be_bytes(first) % BUCKETS).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows already written carry these numbers: they must never change. Computed with `sha256sum`.
    #[test]
    fn buckets_are_what_sha256_says() {
        assert_eq!(bucket_of(""), 0xe3b0_c442_98fc_1c14_u64.rem_euclid(64) as i32);
        assert_eq!(bucket_of("abc"), 0xba78_16bf_8f01_cfea_u64.rem_euclid(64) as i32);
    }
}
