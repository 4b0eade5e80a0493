//! The repository keeps its own rules: tiers, a pure domain, sizes, names, promises, tests that cannot be
//! skipped.
//!
//! Each rule is a function over a path and a text, and is proved on a fixture beside it.

mod domain;
mod manifest;
mod size;
mod source;
mod text;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};

use source::Source;

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 5] = ["target", ".git", "rapport-data", "node_modules", "__pycache__"];

/// One violation of one rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    path: String,
    line: usize,
    rule: &'static str,
    detail: String,
}

impl Problem {
    fn new(path: &str, line: usize, rule: &'static str, detail: impl Into<String>) -> Problem {
        Problem { path: path.to_owned(), line, rule, detail: detail.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.detail)
    }
}

#[test]
fn the_repository_keeps_its_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests stand below the root");
    let root_manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let tiers = manifest::tiers_of(&root_manifest);
    let mut paths = Vec::new();
    walk(root, &mut paths);
    assert!(paths.len() > 50, "only {} files found", paths.len());
    let mut problems = Vec::new();
    for path in paths {
        let name = path.strip_prefix(root).unwrap().to_str().expect("a file name in UTF-8").to_owned();
        problems.extend(words::banned_in_path(&name));
        // Data that is not text has no rules beyond its name.
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        problems.extend(check(&name, &text, &tiers));
    }
    problems.sort();
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert!(lines.is_empty(), "{} problems:\n{}", lines.len(), lines.join("\n"));
}

/// All rules that apply to one file.
fn check(path: &str, text: &str, tiers: &manifest::Tiers) -> Vec<Problem> {
    let mut problems = text::machine_paths(path, text);
    if path.ends_with("Cargo.toml") {
        problems.extend(manifest::check(path, text, tiers));
    }
    if path.ends_with(".rs") {
        problems.extend(text::promise(path, text));
        problems.extend(text::long_lines(path, text));
        match Source::parse(path, text) {
            Ok(source) => {
                problems.extend(size::check(&source));
                problems.extend(words::check(&source));
                problems.extend(domain::check(&source));
            }
            Err(problem) => problems.push(problem),
        }
    }
    problems
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
            walk(&entry.path(), paths);
        } else if kind.is_file() {
            paths.push(entry.path());
        }
    }
}

/// The rules a fixture breaks, each with its line.
#[cfg(test)]
fn broken(problems: &[Problem]) -> Vec<(usize, &'static str)> {
    problems.iter().map(|problem| (problem.line, problem.rule)).collect()
}
