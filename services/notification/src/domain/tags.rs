//! What may stand in the tags of a template: what the engine's fuel does not bound may not.
//!
//! A list that is added to itself sixty times costs next to nothing until it is printed, a namespace may hold
//! itself, and a few thousand minus signs fill the stack: each ends the process, not just the rendering. So
//! tags hold neither lists nor maps, and are short. Messages are made of numbers and texts, which need none.

use super::render::Flaw;

/// Bytes of a tag at most, from its opening to its end: what is nested within one costs stack.
const TAG_BYTES_MAX: usize = 500;

/// Looks at all tags, which it tells from text exactly as the engine does. What the engine refuses anyway is
/// left to it.
///
/// # Errors
/// `Unsupported` for the first tag that holds what it may not.
pub(super) fn check(source: &str) -> Result<(), Flaw> {
    let bytes = source.as_bytes();
    let mut at = 0;
    while let Some(found) = source[at..].find('{') {
        let open = at + found;
        let refused = |what| {
            let line = bytes[..open].iter().filter(|byte| **byte == b'\n').count() + 1;
            Flaw::Unsupported { line, what }
        };
        let end = match bytes.get(open + 1) {
            Some(b'{') => tag_end(bytes, open, b"}}"),
            Some(b'%') if is_raw(&source[open + 2..]) => Err("a raw block"),
            Some(b'%') => tag_end(bytes, open, b"%}"),
            Some(b'#') => Ok(source[open + 2..].find("#}").map(|close| open + 2 + close + 2)),
            _ => Ok(Some(open + 1)),
        };
        let Some(end) = end.map_err(refused)? else { return Ok(()) };
        at = end;
    }
    Ok(())
}

/// Whether the tag that begins here would turn the ones after it into text.
fn is_raw(inside: &str) -> bool {
    inside.trim_start_matches(['-', '+']).trim_start().starts_with("raw")
}

/// Where the tag that opens at `open` ends; nothing if it does not.
fn tag_end(bytes: &[u8], open: usize, close: &[u8]) -> Result<Option<usize>, &'static str> {
    let (mut at, mut parentheses) = (open + 2, 0_usize);
    while at < bytes.len() {
        if at - open > TAG_BYTES_MAX {
            return Err("a tag of more than 500 bytes");
        }
        match bytes[at] {
            _ if parentheses == 0 && bytes[at..].starts_with(close) => return Ok(Some(at + close.len())),
            quote @ (b'\'' | b'"') => at = string_end(bytes, at + 1, quote),
            b'[' | b']' | b'{' | b'}' | b',' => return Err("a list, a map or a comma in a tag"),
            b'(' => parentheses += 1,
            b')' => parentheses = parentheses.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    Ok(None)
}

/// Where a string ends: at its quote, unless a backslash stands before it.
fn string_end(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(source: &str) -> Option<(usize, &'static str)> {
        match check(source) {
            Ok(()) => None,
            Err(Flaw::Unsupported { line, what }) => Some((line, what)),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_texts_and_everything_outside_of_tags_are_allowed() {
        for source in [
            "",
            "{ [1, 2] }, {3} {",
            "{{ (points + 1) * 2 }} [1]",
            "{{ 'a, [b] {c} }} \\' d' ~ \"%}, \\\\\" }}, ok",
            "{% if a == 'x' and not (b or c) %}1, 2{% endif %}",
            "{# [1, 2] {{ #}, {#- , -#}",
            "{{ 1 -}} , {{- 2 }}",
        ] {
            assert_eq!(refused(source), None, "{source}");
        }
    }

    #[test]
    fn lists_maps_and_commas_are_found_wherever_a_tag_may_hide_them() {
        for tag in [
            "{{ [1] }}",
            "{{ (1, 2) }}",
            "{{ {1: 2} }}",
            "{{ x[0] }}",
            "{% for a, b in x %}",
            "{{ '}}' ~ [1] }}",
            "{{ '\\'}}' ~ [1] }}",
            "{{ '\\\\' ~ [1] }}",
            "{{ ('}}' }} ~ [1]) }}",
            "{{ 1 %}} ~ {{ [1] }}",
            "{# {{ ' #}{{ [1] }}{# ' }} #}",
            "{{{ x }}",
        ] {
            let source = format!("a\n{{{{ ok }}}} {tag}");
            assert_eq!(refused(&source), Some((2, "a list, a map or a comma in a tag")), "{tag}");
        }
        for raw in ["{% raw %}{{ '{% endraw %}{{ [1] }}' }}", "{%- raw -%}", "{%\traw%}"] {
            assert_eq!(refused(raw), Some((1, "a raw block")), "{raw}");
        }
    }

    #[test]
    fn tags_are_short_and_texts_need_not_be() {
        let text = "x".repeat(9_000);
        assert_eq!(refused(&format!("{text}{{{{ a }}}}{text}{{{{ b }}}}")), None);
        assert_eq!(refused(&format!("{{{{ {} }}}}", "x".repeat(490))), None);
        for long in ["x", "-", "' ", "("] {
            let source = format!("\n\n{{{{ {} }}}}", long.repeat(600));
            assert_eq!(refused(&source), Some((3, "a tag of more than 500 bytes")), "{long}");
        }
    }
}
