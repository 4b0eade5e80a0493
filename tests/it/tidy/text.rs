//! Rules over plain text: a promise on top, lines that fit, nothing that names the machine it was written on.

use super::Problem;

const LINE_CHARS_MAX: usize = 110;

/// Every module says on top what it promises.
pub(super) fn promise(path: &str, text: &str) -> Option<Problem> {
    let first = text.lines().next().unwrap_or_default();
    let promised = first.strip_prefix("//!").is_some_and(|promise| promise.trim().len() > 10);
    (!promised)
        .then(|| Problem::new(path, 1, "promise", "the file does not begin with `//!` and what it promises"))
}

/// No line is longer than a reader's window.
pub(super) fn long_lines(path: &str, text: &str) -> Vec<Problem> {
    let lines = (1..).zip(text.lines().map(|line| line.chars().count()));
    let long = lines.filter(|(_, chars)| *chars > LINE_CHARS_MAX);
    long.map(|(line, chars)| Problem::new(path, line, "line length", format!("{chars} > {LINE_CHARS_MAX}")))
        .collect()
}

/// Nothing names a folder that exists only where it was written.
pub(super) fn machine_paths(path: &str, text: &str) -> Vec<Problem> {
    // Written in parts, so that this file passes its own rule.
    let folders = [concat!("/ro", "ot/"), concat!("/wo", "rk/")];
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for folder in folders {
            let absolute = line.match_indices(folder).any(|(at, _)| {
                // In the middle of a longer path or an address it is somebody else's folder.
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c))
            });
            if absolute {
                problems.push(Problem::new(path, number, "machine path", folder));
            }
        }
    }
    problems
}

#[test]
fn a_file_without_a_promise_is_found() {
    assert_eq!(promise("a.rs", "//! What this module promises.\n"), None);
    for text in
        ["", "//!\n", "// A comment is no promise.\n", "\n//! Too late for a promise.\n", "//! placeh\n"]
    {
        assert!(promise("a.rs", text).is_some(), "{text:?}");
    }
}

#[test]
fn a_long_line_is_found_and_counted_in_characters() {
    let fits = "ä".repeat(LINE_CHARS_MAX);
    assert_eq!(super::broken(&long_lines("a.rs", &format!("{fits}\n{fits}x\n"))), [(2, "line length")]);
}

#[test]
fn a_path_of_this_machine_is_found_and_a_longer_one_is_not() {
    let bad = concat!("a\nlet p = \"/ro", "ot/x\";\nfile:///wo", "rk/y\n");
    assert_eq!(super::broken(&machine_paths("a.md", bad)), [(2, "machine path"), (3, "machine path")]);
    let good = concat!("https://host/ro", "ot/x $HOME", "/ro", "ot/ ../wo", "rk/y");
    assert_eq!(machine_paths("a.md", good), []);
}
