//! What the generated checks ask of a string. None of it allocates.

/// Whether `text` has at least `count` characters.
pub(crate) fn has_characters(text: &str, count: usize) -> bool {
    // A character takes at least one byte, so most strings need no count.
    text.len() >= count && text.chars().take(count).count() == count
}

/// Whether `text` is a UUID in its usual form: five groups of hexadecimal digits of either case.
pub(crate) fn is_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
