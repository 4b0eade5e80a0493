//! Page tokens: opaque, and worthless for any other tenant, method or filter than the one they were made for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::{DOMAIN, Problem};

/// Rows on a page if the caller does not say.
pub const PAGE_SIZE_DEFAULT: u32 = 50;
/// Rows on a page at most.
pub const PAGE_SIZE_MAX: u32 = 1_000;

const VERSION: u8 = 1;
const MAC_BYTES: usize = 16;

/// Seals cursors into page tokens and opens them again.
#[derive(Clone)]
pub struct PageTokens {
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for PageTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageTokens")
    }
}

impl PageTokens {
    /// Tokens under `key`, which all replicas of a service share.
    pub fn new(key: [u8; 32]) -> PageTokens {
        // HMAC pads a short key with zeros to the block size; done here, it cannot fail.
        let mut block = [0; 64];
        block[..key.len()].copy_from_slice(&key);
        PageTokens { mac: Hmac::new(&block.into()) }
    }

    /// A token for `cursor`. `filter` is everything that selects or orders the rows.
    pub fn seal(&self, tenant: &str, method: &str, filter: &str, cursor: &[u8]) -> String {
        let mac = self.over(tenant, method, filter, cursor).finalize().into_bytes();
        let mut token = Vec::with_capacity(1 + MAC_BYTES + cursor.len());
        token.push(VERSION);
        token.extend_from_slice(&mac[..MAC_BYTES]);
        token.extend_from_slice(cursor);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The cursor of a token sealed with the same arguments. INVALID_ARGUMENT for any other token.
    pub fn open(&self, tenant: &str, method: &str, filter: &str, token: &str) -> Result<Vec<u8>, Problem> {
        let refused = || {
            let message = "the page token was not issued for this request; start again without one";
            Problem::invalid(DOMAIN, "PAGE_TOKEN_INVALID", message)
                .field("page_token", "must be a next_page_token of the same request")
        };
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| refused())?;
        let (version, rest) = bytes.split_first().ok_or_else(refused)?;
        let (mac, cursor) = rest.split_at_checked(MAC_BYTES).ok_or_else(refused)?;
        if *version != VERSION {
            return Err(refused());
        }
        self.over(tenant, method, filter, cursor).verify_truncated_left(mac).map_err(|_| refused())?;
        Ok(cursor.to_vec())
    }

    fn over(&self, tenant: &str, method: &str, filter: &str, cursor: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(&[VERSION]);
        // The lengths keep ("ab", "c") and ("a", "bc") apart.
        for part in [tenant.as_bytes(), method.as_bytes(), filter.as_bytes(), cursor] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

/// A page ends early when its texts are longer than this: a thousand of the longest would not fit into the
/// message that a caller takes.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// A list as a caller asked for it.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    /// What seals the tokens of its pages.
    pub tokens: &'a PageTokens,
    /// Who asks.
    pub tenant: &'a str,
    /// The RPC.
    pub method: &'a str,
    /// Everything that selects or orders the rows.
    pub filter: &'a str,
    /// Rows on a page.
    pub size: u32,
}

impl List<'_> {
    /// How many rows to read: one more than a page has tells whether there is a next one.
    pub fn limit(&self) -> u64 {
        u64::from(self.size) + 1
    }

    /// The cursor of a page token; nothing for the first page.
    ///
    /// # Errors
    /// INVALID_ARGUMENT (PAGE_TOKEN_INVALID).
    pub fn open(&self, token: &str) -> Result<Option<Vec<u8>>, Problem> {
        if token.is_empty() {
            return Ok(None);
        }
        self.tokens.open(self.tenant, self.method, self.filter, token).map(Some)
    }

    /// Cuts rows that were read one too many to what fits on the page, and returns the token of the page
    /// after it. `bytes` is the length of a row's texts.
    pub fn next<T>(
        &self,
        rows: &mut Vec<T>,
        bytes: impl Fn(&T) -> usize,
        cursor: impl Fn(&T) -> Vec<u8>,
    ) -> String {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let fitting = fitting(rows.iter().take(size).map(bytes));
        if rows.len() <= fitting {
            return String::new();
        }
        rows.truncate(fitting);
        let last = rows.last().map(cursor).unwrap_or_default();
        self.tokens.seal(self.tenant, self.method, self.filter, &last)
    }
}

/// How many rows of these sizes fit on a page: at least one, or a list would never end.
fn fitting(sizes: impl Iterator<Item = usize>) -> usize {
    let mut total: usize = 0;
    let fits = sizes.take_while(|size| {
        total = total.saturating_add(*size);
        total <= PAGE_BYTES_MAX
    });
    fits.count().max(1)
}

/// A cursor that is a row's number.
pub fn number(cursor: &[u8]) -> i64 {
    cursor.try_into().map_or(0, i64::from_be_bytes)
}

/// The number of rows to read: 0 is the default, too many is the maximum, less than 0 is an error (AIP-158).
pub fn page_size(requested: i32) -> Result<u32, Problem> {
    match u32::try_from(requested) {
        Ok(0) => Ok(PAGE_SIZE_DEFAULT),
        Ok(size) => Ok(size.min(PAGE_SIZE_MAX)),
        Err(_) => Err(Problem::invalid(DOMAIN, "PAGE_SIZE_INVALID", "page_size must not be negative")
            .with("page_size", requested)
            .field("page_size", "must not be negative")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_only_for_the_request_it_was_made_for() {
        let tokens = PageTokens::new([7; 32]);
        let token = tokens.seal("tenant", "List", "tier = gold", b"cursor 42");
        assert_eq!(tokens.open("tenant", "List", "tier = gold", &token).unwrap(), b"cursor 42");
        let foreign = [
            tokens.open("tenant2", "List", "tier = gold", &token),
            tokens.open("tenant", "ListOther", "tier = gold", &token),
            tokens.open("tenant", "List", "tier = silver", &token),
            tokens.open("tenan", "tList", "tier = gold", &token),
            PageTokens::new([8; 32]).open("tenant", "List", "tier = gold", &token),
        ];
        for refused in foreign {
            assert_eq!(refused.unwrap_err().reason, "PAGE_TOKEN_INVALID");
        }
    }

    #[test]
    fn a_token_with_any_byte_changed_or_missing_is_refused() {
        let tokens = PageTokens::new([7; 32]);
        let token = URL_SAFE_NO_PAD.decode(tokens.seal("t", "m", "f", b"cursor")).unwrap();
        for at in 0..token.len() {
            let mut changed = token.clone();
            changed[at] ^= 1;
            assert!(tokens.open("t", "m", "f", &URL_SAFE_NO_PAD.encode(changed)).is_err(), "byte {at}");
            assert!(
                tokens.open("t", "m", "f", &URL_SAFE_NO_PAD.encode(&token[..at])).is_err(),
                "cut at {at}"
            );
        }
        assert!(tokens.open("t", "m", "f", "not base64 !").is_err());
    }

    #[test]
    fn a_page_ends_before_its_texts_grow_too_long() {
        assert_eq!(fitting([10, 10, 10].into_iter()), 3);
        assert_eq!(fitting([PAGE_BYTES_MAX - 1, 1, 1].into_iter()), 2);
        assert_eq!(fitting([PAGE_BYTES_MAX + 1, 1].into_iter()), 1, "a row that is too long stands alone");
    }

    #[test]
    fn page_sizes_are_defaulted_clamped_or_refused() {
        assert_eq!(page_size(0), Ok(50));
        assert_eq!(page_size(7), Ok(7));
        assert_eq!(page_size(i32::MAX), Ok(1_000));
        assert_eq!(page_size(-1).unwrap_err().reason, "PAGE_SIZE_INVALID");
    }
}
