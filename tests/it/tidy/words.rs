//! Words that may not stand here: names that say nothing, and what leaves work or waiting for later.

use syn::visit::{self, Visit};

use super::Problem;
use super::source::{Source, Token, lines_of};

/// Names that gather whatever has no place of its own.
pub(super) const BANNED_NAMES: [&str; 6] = ["common", "utils", "core", "shared", "types", "helpers"];

/// Calls that wait for time to pass, where a test should wait for what it expects.
const SLEEPS: [&str; 2] = ["sleep", "sleep_until"];

/// No folder and no file carries a banned name.
pub(super) fn banned_in_path(path: &str) -> Option<Problem> {
    let mut names = path.split('/').map(|part| part.split('.').next().unwrap_or(part));
    let banned = names.find(|name| BANNED_NAMES.contains(name))?;
    Some(Problem::new(path, 1, "banned name", banned))
}

pub(super) fn check(source: &Source) -> Vec<Problem> {
    let mut modules = Modules { path: source.path, problems: Vec::new() };
    modules.visit_file(&source.file);
    let mut problems = modules.problems;
    for (at, token) in source.tokens.iter().enumerate() {
        if let Some((rule, detail)) = banned_at(source, at) {
            problems.push(Problem::new(source.path, token.line, rule, detail));
        }
    }
    problems
}

fn banned_at(source: &Source, at: usize) -> Option<(&'static str, &'static str)> {
    let text = |at: usize| source.tokens.get(at).map_or("", |token: &Token| token.text.as_str());
    let (this, next) = (text(at), text(at + 1));
    match this {
        "todo" if next == "!" => Some(("unfinished", "todo!")),
        "unimplemented" if next == "!" => Some(("unfinished", "unimplemented!")),
        "dbg" if next == "!" => Some(("unfinished", "dbg!")),
        "ignore" if at > 0 && text(at - 1) == "[" && ["]", "="].contains(&next) => {
            Some(("skipped test", "#[ignore]"))
        }
        "thread" if next == "::" && text(at + 2) == "sleep" => Some(("sleep", "thread::sleep")),
        this if SLEEPS.contains(&this) && source.is_test(source.tokens[at].line) => {
            Some(("sleep", "a test waits for what it expects, not for time"))
        }
        _ => None,
    }
}

struct Modules<'a> {
    path: &'a str,
    problems: Vec<Problem>,
}

impl<'ast> Visit<'ast> for Modules<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let name = module.ident.to_string();
        if BANNED_NAMES.contains(&name.as_str()) {
            let line = *lines_of(&module.ident).start();
            self.problems.push(Problem::new(self.path, line, "banned name", name));
        }
        visit::visit_item_mod(self, module);
    }
}

#[cfg(test)]
mod tests {
    use super::super::broken;
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<(usize, &'static str)> {
        broken(&check(&Source::parse(path, text).unwrap()))
    }

    #[test]
    fn banned_names_are_found_in_paths_and_modules() {
        for path in ["libs/common/src/lib.rs", "libs/x/src/utils.rs", "services/x/src/helpers/mod.rs"] {
            assert!(banned_in_path(path).is_some(), "{path}");
        }
        assert_eq!(banned_in_path("libs/x/src/core_hours.rs"), None);
        assert_eq!(problems("a.rs", "mod a;\nmod types {\n}\n"), [(2, "banned name")]);
    }

    #[test]
    fn unfinished_and_skipped_work_is_found_inside_macros_too() {
        let text = "fn a() {\n todo!()\n}\nfn b() {\n assert!(dbg!(1) == 1);\n unimplemented!()\n}\n";
        assert_eq!(problems("a.rs", text), [(2, "unfinished"), (5, "unfinished"), (6, "unfinished")]);
        let ignored = "#[test]\n#[ignore]\nfn a() {}\n#[test]\n#[ignore = \"slow\"]\nfn b() {}\n";
        assert_eq!(problems("a.rs", ignored), [(2, "skipped test"), (5, "skipped test")]);
    }

    #[test]
    fn sleeps_are_found_in_tests_and_blocking_ones_everywhere() {
        let text = "use tokio::time::sleep;\nasync fn a() {\n sleep(b).await;\n std::thread::sleep(b);\n}\n";
        assert_eq!(problems("libs/x/src/a.rs", text), [(4, "sleep")]);
        assert_eq!(problems("tests/it/a.rs", text).len(), 4);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{text}}}\n");
        assert_eq!(problems("libs/x/src/a.rs", &tests).len(), 4);
    }
}
