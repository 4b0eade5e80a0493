//! One Rust file, parsed: its syntax tree, its tokens with their lines, and which lines are tests.

use std::ops::RangeInclusive;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::Problem;

pub(super) struct Source<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    pub(super) file: syn::File,
    /// Everything but literals, which are empty here; groups are opened up; `::` is one token.
    pub(super) tokens: Vec<Token>,
    /// The lines of `#[cfg(test)]` modules and functions.
    tests: Vec<RangeInclusive<usize>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

impl<'a> Source<'a> {
    pub(super) fn parse(path: &'a str, text: &'a str) -> Result<Source<'a>, Problem> {
        let file = syn::parse_file(text)
            .map_err(|error| Problem::new(path, error.span().start().line, "syntax", error.to_string()))?;
        let stream: TokenStream =
            text.parse().map_err(|error| Problem::new(path, 1, "syntax", format!("{error}")))?;
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        let mut tests = Tests(Vec::new());
        tests.visit_file(&file);
        Ok(Source { path, text, file, tokens, tests: tests.0 })
    }

    /// Whether the line belongs to a test: in a test module, or anywhere in a folder of tests.
    pub(super) fn is_test(&self, line: usize) -> bool {
        self.in_test_module(line) || self.path.starts_with("tests/") || self.path.contains("/tests/")
    }

    pub(super) fn in_test_module(&self, line: usize) -> bool {
        self.path.ends_with("/tests.rs") || self.tests.iter().any(|lines| lines.contains(&line))
    }

    /// The lines that are not in test modules.
    pub(super) fn lines_without_tests(&self) -> usize {
        (1..=self.text.lines().count()).filter(|line| !self.in_test_module(*line)).count()
    }
}

/// The lines from the first to the last token of a piece of syntax.
pub(super) fn lines_of(syntax: &impl Spanned) -> RangeInclusive<usize> {
    let span = syntax.span();
    span.start().line..=span.end().line
}

struct Tests(Vec<RangeInclusive<usize>>);

impl<'ast> Visit<'ast> for Tests {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.attrs.iter().any(is_cfg_test) {
            self.0.push(lines_of(module));
        }
        visit::visit_item_mod(self, module);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if function.attrs.iter().any(is_cfg_test) {
            self.0.push(lines_of(function));
        }
        visit::visit_item_fn(self, function);
    }
}

fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    proc_macro2::Delimiter::Parenthesis => ("(", ")"),
                    proc_macro2::Delimiter::Brace => ("{", "}"),
                    proc_macro2::Delimiter::Bracket => ("[", "]"),
                    proc_macro2::Delimiter::None => ("", ""),
                };
                tokens.push(Token { text: open.to_owned(), line });
                flatten(group.stream(), tokens);
                tokens.push(Token { text: close.to_owned(), line: group.span_close().start().line });
            }
            TokenTree::Literal(_) => tokens.push(Token { text: String::new(), line }),
            TokenTree::Ident(ident) => tokens.push(Token { text: ident.to_string(), line }),
            TokenTree::Punct(punct) => match tokens.last_mut() {
                Some(last) if punct.as_char() == ':' && last.text == ":" => last.text.push(':'),
                _ => tokens.push(Token { text: punct.to_string(), line }),
            },
        }
    }
}

#[test]
fn tests_are_told_from_the_rest_and_text_is_no_token() {
    let text = "//! x\nfn a() { b::c(\"todo!()\") }\n#[cfg(test)]\nmod tests {\n    fn d() {}\n}\n";
    let source = Source::parse("libs/x/src/lib.rs", text).unwrap();
    assert!(!source.is_test(2) && source.is_test(3) && source.is_test(5));
    assert_eq!(source.lines_without_tests(), 2);
    assert!(source.tokens.iter().any(|token| token.text == "::" && token.line == 2));
    assert!(!source.tokens.iter().any(|token| token.text == "todo"));
    assert_eq!(Source::parse("a.rs", "//! x\nfn (").err().map(|problem| problem.rule), Some("syntax"));
}
