//! The name of a snapshot: one cluster slot per owner, and no way for two tenants to share a key.

use std::fmt::{self, Display, Write};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// `{tenant:owner}:kind`. The part in braces decides the cluster slot.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    text: Arc<str>,
    kind: &'static str,
}

impl Key {
    /// The key of the `kind` of snapshot that belongs to `owner` of `tenant`. `kind` is a metric label and a
    /// span name: a word from a small fixed set.
    pub fn new(tenant: impl Display, owner: impl Display, kind: &'static str) -> Key {
        let mut text = String::with_capacity(96);
        text.push('{');
        push(&mut text, tenant);
        text.push(':');
        push(&mut text, owner);
        text.push_str("}:");
        text.push_str(kind);
        Key { text: text.into(), kind }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }
}

/// Appends `part` with the three separators escaped, so that different parts never make the same key.
fn push(text: &mut String, part: impl Display) {
    struct Escaped<'a>(&'a mut String);

    impl Write for Escaped<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            for c in part.chars() {
                match c {
                    '{' => self.0.push_str("%7B"),
                    '}' => self.0.push_str("%7D"),
                    ':' => self.0.push_str("%3A"),
                    '%' => self.0.push_str("%25"),
                    c => self.0.push(c),
                }
            }
            Ok(())
        }
    }

    // Writing into a String cannot fail; a Display that reports an error leaves what it wrote.
    let _ = write!(Escaped(text), "{part}");
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_the_hash_tag() {
        assert_eq!(Key::new("acme", "m-1", "balance").text(), "{acme:m-1}:balance");
    }

    #[test]
    fn no_two_tenants_share_a_key_whatever_their_names_hold() {
        let names = ["a", "a:b", "b", "a}", "{a", "%3A", ":", "}:balance"];
        let mut seen = std::collections::HashSet::new();
        for tenant in names {
            for owner in names {
                assert!(seen.insert(Key::new(tenant, owner, "balance")), "{tenant} {owner}");
            }
        }
    }
}
