//! Pages of lists: opens the token of the one asked for and seals the token of the next.

use tonic::Status;

use super::Api;
use super::call::Caller;

/// A page ends early when its texts are longer than this: a thousand of the longest would not fit into the
/// message that a caller takes.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// A list as a caller asked for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct List<'a> {
    /// Who asks.
    pub(super) caller: &'a Caller,
    /// The RPC.
    pub(super) method: &'a str,
    /// Everything that selects the rows.
    pub(super) filter: &'a str,
    /// Rows on a page.
    pub(super) size: u32,
}

impl List<'_> {
    /// How many rows to read: one more than a page has tells whether there is a next one.
    pub(super) fn limit(&self) -> u64 {
        u64::from(self.size) + 1
    }
}

impl Api {
    /// The cursor of a page token; nothing for the first page.
    pub(super) fn open_page(&self, list: List<'_>, token: &str) -> Result<Option<Vec<u8>>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.pages.open(list.caller.tenant.id(), list.method, list.filter, token)?))
    }

    /// Cuts rows that were read one too many to what fits on the page, and returns the token of the page
    /// after it. `bytes` is the length of a row's texts.
    pub(super) fn next_page<T>(
        &self,
        list: List<'_>,
        rows: &mut Vec<T>,
        bytes: impl Fn(&T) -> usize,
        cursor: impl Fn(&T) -> Vec<u8>,
    ) -> String {
        let size = usize::try_from(list.size).unwrap_or(usize::MAX);
        let fitting = fitting(rows.iter().take(size).map(bytes));
        if rows.len() <= fitting {
            return String::new();
        }
        rows.truncate(fitting);
        let last = rows.last().map(cursor).unwrap_or_default();
        self.pages.seal(list.caller.tenant.id(), list.method, list.filter, &last)
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
pub(super) fn number(cursor: &[u8]) -> i64 {
    cursor.try_into().map_or(0, i64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_before_its_texts_grow_too_long() {
        assert_eq!(fitting([10, 10, 10].into_iter()), 3);
        assert_eq!(fitting([PAGE_BYTES_MAX - 1, 1, 1].into_iter()), 2);
        assert_eq!(fitting([PAGE_BYTES_MAX + 1, 1].into_iter()), 1, "a row that is too long stands alone");
    }
}
