//! `docs/errors.md` lists every reason that the code gives, and no other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Upper-case words in the sources that are no reasons: names of gRPC codes, signals and the build's
/// variables.
const OTHER: &[&str] = &[
    "ABORTED",
    "ALREADY_EXISTS",
    "CANCELLED",
    "CARGO_PKG_VERSION",
    "DATA_LOSS",
    "FAILED_PRECONDITION",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "OUT_DIR",
    "OUT_OF_RANGE",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "SIGINT",
    "SIGTERM",
    "UNAVAILABLE",
    "UNIMPLEMENTED",
    "UNKNOWN",
];

#[test]
fn the_list_and_the_code_agree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let mut files = Vec::new();
    for place in [
        "libs/rpc/src",
        "libs/proto/src",
        "libs/events/src",
        "libs/requests/src",
        "services/feedback/src/rpc",
        "services/loyalty/src/rpc",
        "services/notification/src/rpc",
        "services/scoring/src/rpc",
    ] {
        sources(&root.join(place), &mut files);
    }
    let given: BTreeSet<String> = files.iter().flat_map(|file| words(file)).collect();
    assert!(given.len() > 20, "the sources were not found");
    let page = std::fs::read_to_string(root.join("docs/errors.md")).expect("docs/errors.md");
    let quoted = page.split('`').skip(1).step_by(2).map(str::to_owned);
    let listed: BTreeSet<String> = quoted.filter(|word| is_reason(word)).collect();
    assert_eq!(
        given.difference(&listed).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "missing in docs/errors.md"
    );
    assert_eq!(listed.difference(&given).collect::<Vec<_>>(), Vec::<&String>::new(), "unknown to the code");
}

fn sources(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a directory of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// The reasons in a file, without its tests.
fn words(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).expect("a source");
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let literals = code.split('"').skip(1).step_by(2).map(str::to_owned);
    literals.filter(|word| is_reason(word) && !OTHER.contains(&word.as_str())).collect()
}

fn is_reason(word: &str) -> bool {
    word.len() > 5 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}
