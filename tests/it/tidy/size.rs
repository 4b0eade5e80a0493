//! Files and functions that fit into a reader's head. Tests, migrations and generated code are not counted.

use syn::visit::{self, Visit};

use super::Problem;
use super::source::{Source, lines_of};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

pub(super) fn check(source: &Source) -> Vec<Problem> {
    if source.path.contains("/store/migration/") {
        return Vec::new();
    }
    let mut functions = Functions { source, problems: Vec::new() };
    functions.visit_file(&source.file);
    let lines = source.lines_without_tests();
    if lines > FILE_LINES_MAX {
        let detail = format!("{lines} lines > {FILE_LINES_MAX}");
        functions.problems.push(Problem::new(source.path, 1, "file length", detail));
    }
    functions.problems
}

struct Functions<'a> {
    source: &'a Source<'a>,
    problems: Vec<Problem>,
}

impl Functions<'_> {
    fn check(&mut self, attributes: &[syn::Attribute], signature: &syn::Signature, body: &syn::Block) {
        let (first, last) = (*lines_of(signature).start(), *lines_of(body).end());
        let lines = last + 1 - first;
        if lines > FUNCTION_LINES_MAX && !is_test(attributes) && !self.source.in_test_module(first) {
            let detail = format!("`{}` has {lines} lines > {FUNCTION_LINES_MAX}", signature.ident);
            self.problems.push(Problem::new(self.source.path, first, "function length", detail));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.check(&function.attrs, &function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.check(&function.attrs, &function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.check(&function.attrs, &function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

/// `#[test]`, `#[tokio::test]` and the like.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().segments.last().is_some_and(|segment| segment.ident == "test"))
}

#[cfg(test)]
mod tests {
    use super::super::broken;
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<(usize, &'static str)> {
        broken(&check(&Source::parse(path, text).unwrap()))
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_are_not_counted() {
        let long = "//! x\n".to_owned() + &"\n".repeat(FILE_LINES_MAX);
        assert_eq!(problems("libs/x/src/a.rs", &long), [(1, "file length")]);
        assert_eq!(problems("services/x/src/store/migration/m1.rs", &long), []);
        let tests = "#[cfg(test)]\nmod tests {\n".to_owned() + &"\n".repeat(FILE_LINES_MAX) + "}\n";
        assert_eq!(problems("libs/x/src/a.rs", &tests), []);
    }

    #[test]
    fn a_long_function_is_found_wherever_it_stands() {
        let body = "{\n".to_owned() + &"\n".repeat(FUNCTION_LINES_MAX - 1) + "}\n";
        for (before, after) in
            [("", ""), ("impl X {", "}"), ("trait X {", "}"), ("fn outer() {} mod m {", "}")]
        {
            let text = format!("{before}\nfn a() {body}{after}");
            assert_eq!(problems("a.rs", &text), [(2, "function length")], "{text}");
        }
        assert_eq!(problems("a.rs", &format!("#[tokio::test]\nasync fn a() {body}")), []);
        assert_eq!(problems("a.rs", &format!("#[cfg(test)]\nmod tests {{ fn a() {body} }}")), []);
        assert_eq!(problems("a.rs", &format!("fn a() {}", body.replacen('\n', "", 1))), []);
    }
}
