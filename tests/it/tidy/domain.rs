//! A pure domain: a decision depends on its arguments alone, so a service's `domain/` uses values and itself
//! - no wire, no database, no runtime, no clock, no input or output.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use super::Problem;
use super::source::{Source, lines_of};

/// Crates a domain may use.
const CRATES: [&str; 11] =
    ["std", "core", "alloc", "chrono", "chrono_tz", "rrule", "uuid", "cel", "minijinja", "serde", "ambient"];

/// Not crates: tools that attributes speak to.
const TOOLS: [&str; 2] = ["clippy", "rustfmt"];

/// Parts of the standard library that reach outside.
const STD_BANNED: [&str; 6] = ["env", "fs", "io", "net", "process", "thread"];

/// Names that read a clock, draw at random, or wait. `ambient`'s two sources are inputs of the layers above.
const NAMES_BANNED: [&str; 8] =
    ["async", "await", "Clock", "Ids", "Instant", "SystemTime", "new_v4", "now_v7"];

/// Types of the language, whose associated items are written like paths.
const PRIMITIVES: [&str; 16] = [
    "bool", "char", "str", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
    "usize", "f64",
];

pub(super) fn check(source: &Source) -> Vec<Problem> {
    let Some(supers_max) = supers_max(source.path) else { return Vec::new() };
    let mut uses = Uses { source, paths: Vec::new(), modules: BTreeSet::new(), names: BTreeSet::new() };
    uses.visit_file(&source.file);
    let mut problems: Vec<Problem> = uses
        .paths
        .iter()
        .filter_map(|(line, path)| Some((*line, refused(path, supers_max, &uses.modules)?)))
        .chain(
            written_paths(source)
                .filter_map(|(line, path)| Some((line, refused(&path, supers_max, &uses.names)?))),
        )
        .map(|(line, detail)| Problem::new(source.path, line, "pure domain", detail))
        .collect();
    for (at, token) in source.tokens.iter().enumerate() {
        let reads_clock = token.text == "now" && at > 1 && source.tokens[at - 1].text == "::";
        let banned = reads_clock || NAMES_BANNED.contains(&token.text.as_str());
        if banned && !source.in_test_module(token.line) {
            problems.push(Problem::new(source.path, token.line, "pure domain", format!("`{}`", token.text)));
        }
    }
    problems
}

/// How many `super`s stay within `domain/`; `None` for a file outside.
fn supers_max(path: &str) -> Option<usize> {
    let (service, below) = path.split_once("/src/domain")?;
    if !service.starts_with("services/") {
        return None;
    }
    match below {
        ".rs" | "/mod.rs" => Some(0),
        below => {
            let below = below.strip_prefix('/')?;
            Some(below.trim_end_matches("/mod.rs").split('/').count())
        }
    }
}

/// Why a path may not stand in a domain; `None` if it may. `names` are those the file brought into scope
/// itself.
fn refused(path: &[String], supers_max: usize, names: &BTreeSet<String>) -> Option<String> {
    let root = path.first()?.as_str();
    let second = path.get(1).map(String::as_str);
    let allowed = match root {
        "crate" => second == Some("domain"),
        "super" => path.iter().take_while(|part| *part == "super").count() <= supers_max,
        "self" => true,
        "std" => second.is_none_or(|second| !STD_BANNED.contains(&second)),
        root if CRATES.contains(&root) || TOOLS.contains(&root) => true,
        root if PRIMITIVES.contains(&root) || names.contains(root) => true,
        // A type, an enum or a generic parameter: it came into scope by a path that was checked.
        root => root.starts_with(char::is_uppercase),
    };
    (!allowed).then(|| format!("`{}`", path.join("::")))
}

/// The paths of all `use` items, groups opened up, and the names that come into scope.
struct Uses<'a> {
    source: &'a Source<'a>,
    paths: Vec<(usize, Vec<String>)>,
    /// By `mod` items.
    modules: BTreeSet<String>,
    /// By `use` and `mod` items.
    names: BTreeSet<String>,
}

impl Uses<'_> {
    fn open(&mut self, before: &[String], tree: &syn::UseTree) {
        let line = *lines_of(tree).start();
        let joined = |part: String| [before, &[part]].concat();
        match tree {
            syn::UseTree::Path(path) => self.open(&joined(path.ident.to_string()), &path.tree),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.open(before, tree)),
            syn::UseTree::Glob(_) => self.paths.push((line, joined("*".to_owned()))),
            syn::UseTree::Name(name) => {
                let name = name.ident.to_string();
                // `use a::{self}` brings `a` into scope.
                self.names.extend(if name == "self" { before.last().cloned() } else { Some(name.clone()) });
                self.paths.push((line, joined(name)));
            }
            syn::UseTree::Rename(rename) => {
                self.names.insert(rename.rename.to_string());
                self.paths.push((line, joined(rename.ident.to_string())));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !self.source.in_test_module(*lines_of(item).start()) {
            self.open(&[], &item.tree);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.modules.insert(module.ident.to_string());
        self.names.insert(module.ident.to_string());
        visit::visit_item_mod(self, module);
    }
}

/// All paths outside `use` items and tests, from the tokens: those inside macros and attributes too.
fn written_paths<'a>(source: &'a Source) -> impl Iterator<Item = (usize, Vec<String>)> + 'a {
    let text = |at: usize| source.tokens.get(at).map_or("", |token| token.text.as_str());
    let mut in_use = false;
    (0..source.tokens.len()).filter_map(move |at| {
        let this = text(at);
        in_use = (in_use || this == "use") && this != ";";
        let word = |at: usize| text(at).starts_with(|c: char| c.is_alphabetic() || c == '_');
        let begins = word(at) && text(at + 1) == "::" && word(at + 2) && (at == 0 || text(at - 1) != "::");
        if in_use || !begins || source.in_test_module(source.tokens[at].line) {
            return None;
        }
        let mut path = vec![this.to_owned()];
        let mut next = at + 1;
        while text(next) == "::" {
            path.push(text(next + 1).to_owned());
            next += 2;
        }
        Some((source.tokens[at].line, path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let problems = check(&Source::parse(path, text).unwrap());
        assert!(problems.iter().all(|problem| problem.rule == "pure domain"));
        problems.iter().map(|problem| problem.line).collect()
    }

    const FILE: &str = "services/x/src/domain/a.rs";

    #[test]
    fn values_and_the_domain_itself_are_allowed() {
        let text = "
use std::collections::BTreeMap;
use ambient::Time;
use super::{lot::{self, Lot}, money};
use crate::domain::posting;
mod level;
pub use level::Level;
#[expect(clippy::x)]
fn a() -> i64 { lot::b(money::c(), posting::d(), i64::MAX, e.sum::<i64>()) }
fn f(x: Lot) { Lot::new(chrono_tz::UTC, std::mem::take(x)); Vec::<u8>::new() }
#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    fn f() { tokio::spawn(g) }
}
";
        assert_eq!(lines(FILE, text), [0usize; 0]);
    }

    #[test]
    fn other_crates_are_found_in_uses_in_expressions_and_inside_macros() {
        for line in [
            "use tonic::Status;",
            "use ::prost::Message;",
            "use {std::mem, sea_orm::entity::*};",
            "use super::{super::store, money};",
            "use crate::store::Row;",
            "use crate::{domain::Lot, rpc};",
            "use std::fs;",
            "use rand::{self};",
            "fn a() { redis::cmd(1) }",
            "fn a() { assert!(tokio::is(1)) }",
            "fn a(x: proto::Member) {}",
            "fn a() { crate::store::load() }",
            "fn a() { std::env::var(1) }",
            "#[derive(prost::Message)] struct A;",
        ] {
            assert_eq!(lines(FILE, &format!("\n{line}\n")), [2], "{line}");
        }
    }

    #[test]
    fn clocks_chance_and_waiting_are_found() {
        for line in [
            "async fn a() {}",
            "fn a() { b(async { 1 }) }",
            "fn a() { chrono::Utc::now() }",
            "fn a(clock: &ambient::Clock) {}",
            "fn a() { std::time::Instant::elapsed(b) }",
            "fn a() { uuid::Uuid::new_v4() }",
        ] {
            assert_eq!(lines(FILE, &format!("\n{line}\n")), [2], "{line}");
        }
        assert_eq!(lines(FILE, "fn a(now: Time) -> Time { b(now) }"), [0usize; 0]);
    }

    #[test]
    fn the_number_of_supers_follows_the_folder() {
        let escape = |supers: usize| format!("use {}store;\n", "super::".repeat(supers));
        for (path, inside) in
            [("domain.rs", 0), ("domain/mod.rs", 0), ("domain/a.rs", 1), ("domain/a/b.rs", 2)]
        {
            let path = format!("services/x/src/{path}");
            if inside > 0 {
                assert_eq!(lines(&path, &escape(inside)), [0usize; 0], "{path}");
            }
            assert_eq!(lines(&path, &escape(inside + 1)), [1], "{path}");
        }
        assert_eq!(lines("services/x/src/rpc/a.rs", "use tonic::Status;"), [0usize; 0]);
    }
}
