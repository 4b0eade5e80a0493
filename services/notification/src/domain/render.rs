//! The template engine: strict about what it does not know, and bounded in time and memory whatever a
//! template asks for. It has no functions, and only filters that make nothing large out of something small.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, filters, tests as checks,
};

use super::tags;
use super::template::{Datum, Values};

/// What one rendering may cost: about this many instructions, or 64 times as many bytes. The longest text
/// takes an eighth of it.
const FUEL: u64 = 5_000;
/// Characters of the engine's own words that a flaw repeats.
const DETAIL_CHARS_MAX: usize = 200;
/// Names that a flaw lists.
const NAMES_MAX: usize = 20;

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::empty();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_auto_escape_callback(|_| AutoEscape::None);
    engine.set_fuel(Some(FUEL));
    engine.set_debug(false);
    engine.add_filter("abs", filters::abs);
    engine.add_filter("capitalize", filters::capitalize);
    engine.add_filter("default", filters::default);
    engine.add_filter("int", filters::int);
    engine.add_filter("length", filters::length);
    engine.add_filter("lower", filters::lower);
    engine.add_filter("round", filters::round);
    engine.add_filter("title", filters::title);
    engine.add_filter("trim", filters::trim);
    engine.add_filter("upper", filters::upper);
    engine.add_test("number", checks::is_number);
    engine.add_test("string", checks::is_string);
    engine
});

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is not written in the language.
    Syntax {
        /// Where, from 1.
        line: usize,
        /// What the engine says.
        detail: String,
    },
    /// It uses names that it has no values for.
    UnknownVariables {
        /// The names, in order.
        names: Vec<String>,
        /// The names that it may use.
        allowed: Vec<String>,
    },
    /// It fails with the values at hand, which `detail` may repeat.
    Fails {
        /// Where, from 1.
        line: usize,
        /// What the engine says.
        detail: String,
    },
    /// It takes more time or memory than a message may.
    Costly,
    /// One of its tags holds what it may not.
    Unsupported {
        /// Where, from 1.
        line: usize,
        /// What.
        what: &'static str,
    },
    /// Nothing is left of it once it is rendered.
    Empty,
    /// Too much comes out of it.
    Long {
        /// How many characters may.
        chars_max: usize,
    },
}

impl Flaw {
    /// Its name: nothing of the template and nothing of the values.
    pub fn name(&self) -> &'static str {
        match self {
            Flaw::Syntax { .. } => "is not a template",
            Flaw::UnknownVariables { .. } => "uses unknown variables",
            Flaw::Fails { .. } => "fails",
            Flaw::Costly => "takes too much work",
            Flaw::Unsupported { .. } => "holds what a template may not",
            Flaw::Empty => "is empty once it is rendered",
            Flaw::Long { .. } => "is too long once it is rendered",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Flaw::Syntax { line, detail } | Flaw::Fails { line, detail } => {
                write!(f, " in line {line}: {detail}")
            }
            Flaw::UnknownVariables { names, allowed } if allowed.is_empty() => {
                write!(f, ": {}; it may use none", listed(names))
            }
            Flaw::UnknownVariables { names, allowed } => {
                write!(f, ": {}; it may use {}", listed(names), listed(allowed))
            }
            Flaw::Long { chars_max } => write!(f, ": at most {chars_max} characters"),
            Flaw::Unsupported { line, what } => write!(f, " in line {line}: {what}"),
            Flaw::Costly | Flaw::Empty => Ok(()),
        }
    }
}

fn listed(names: &[String]) -> String {
    let (shown, more) = names.split_at(names.len().min(NAMES_MAX));
    let rest = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    format!("{}{rest}", shown.join(", "))
}

/// What `source` makes of `values`, at most `chars_max` characters.
///
/// # Errors
/// What is wrong with it.
pub(super) fn render(source: &str, values: &Values, chars_max: usize) -> Result<String, Flaw> {
    tags::check(source)?;
    let template = ENGINE.template_from_str(source).map_err(flaw)?;
    let used = template.undeclared_variables(false).into_iter();
    let mut names: Vec<String> = used.filter(|name| !values.contains_key(name)).collect();
    if !names.is_empty() {
        names.sort();
        return Err(Flaw::UnknownVariables { names, allowed: values.keys().cloned().collect() });
    }
    let context: BTreeMap<&str, Value> =
        values.iter().map(|(name, datum)| (name.as_str(), value(datum))).collect();
    let rendered = template.render(context).map_err(flaw)?;
    if rendered.trim().is_empty() {
        return Err(Flaw::Empty);
    }
    if rendered.chars().count() > chars_max {
        return Err(Flaw::Long { chars_max });
    }
    Ok(rendered)
}

fn value(datum: &Datum) -> Value {
    match datum {
        Datum::Text(text) => Value::from(text),
        Datum::Number(number) => Value::from(*number),
    }
}

fn flaw(error: Error) -> Flaw {
    let line = error.line().unwrap_or(1);
    let told = error.detail().map_or_else(|| error.kind().to_string(), |d| format!("{}: {d}", error.kind()));
    let detail = told.chars().take(DETAIL_CHARS_MAX).collect();
    match error.kind() {
        ErrorKind::SyntaxError | ErrorKind::BadEscape => Flaw::Syntax { line, detail },
        ErrorKind::OutOfFuel => Flaw::Costly,
        _ => Flaw::Fails { line, detail },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> Values {
        let named = [("name", Datum::Text("Ann".into())), ("points", Datum::Number(7))];
        named.into_iter().map(|(name, datum)| (name.to_owned(), datum)).collect()
    }

    fn rendered(source: &str) -> Result<String, Flaw> {
        render(source, &values(), 1_000)
    }

    #[test]
    fn values_stand_where_their_names_did_and_are_not_escaped() {
        assert_eq!(rendered("{{ name }} has {{ points + 1 }}").unwrap(), "Ann has 8");
        let mut values = values();
        values.insert("name".into(), Datum::Text("<b>{{ points }}</b> & \"x\"".into()));
        let hostile = render("{{ name }}", &values, 1_000).unwrap();
        assert_eq!(hostile, "<b>{{ points }}</b> & \"x\"", "a value is never a template");
    }

    #[test]
    fn unknown_names_are_found_wherever_they_stand_and_told_with_the_known_ones() {
        for source in
            ["{{ nmae }}", "{% if false %}{{ nmae }}{% endif %}", "{{ nmae | default('') }}", "{{ nmae.x }}"]
        {
            let flaw = rendered(source).unwrap_err();
            assert_eq!(flaw.to_string(), "uses unknown variables: nmae; it may use name, points", "{source}");
        }
        let none = render("{{ a }}", &Values::new(), 10).unwrap_err();
        assert_eq!(none.to_string(), "uses unknown variables: a; it may use none");
        let own = rendered("{% for c in name %}{{ c }}.{% endfor %}{% set x = 1 %}{{ x }}").unwrap();
        assert_eq!(own, "A.n.n.1", "its own names are known");
    }

    #[test]
    fn what_a_value_lacks_is_not_rendered_as_nothing() {
        assert!(matches!(rendered("{{ name.first }}"), Err(Flaw::Fails { line: 1, .. })));
        assert!(matches!(rendered("\n{{ points / 0 }}"), Err(Flaw::Fails { line: 2, .. })));
        assert!(matches!(rendered("{{ name | nope }}"), Err(Flaw::Fails { .. })));
    }

    #[test]
    fn what_is_not_in_the_language_is_told_with_its_line() {
        for source in ["\n{{ name", "\n{% if %}", "\n{{ }}", "\n{% endif %}", "\n{% include 'x' %}"] {
            assert!(matches!(rendered(source), Err(Flaw::Syntax { line: 2, .. })), "{source}");
        }
    }

    #[test]
    fn no_template_takes_more_than_its_fuel() {
        let doubled = "{% set x = x ~ x %}".repeat(60);
        let added = "{% set x = x + x %}".repeat(60);
        let nested = "{% for a in 'abcdefghij' %}".repeat(20);
        for source in [
            format!("{nested}x{}", "{% endfor %}".repeat(20)),
            format!("{nested}{}x", "{% endfor %}".repeat(20)),
            "{% for a in 'x' * 100000 %}{% endfor %}x".to_owned(),
            "{{ 'x' * 100000000 }}".to_owned(),
            format!("{{% set x = 'xxxxxxxxxx' %}}{doubled}{{{{ x }}}}"),
            format!("{{% set x = 'xxxxxxxxxx' %}}{added}{{{{ x }}}}"),
        ] {
            assert_eq!(rendered(&source), Err(Flaw::Costly), "{source}");
        }
        let endless = "{% for a in 'x' recursive %}{{ loop('x') }}{% endfor %}";
        assert!(matches!(rendered(endless), Err(Flaw::Fails { .. })));
    }

    #[test]
    fn what_the_engine_does_not_bound_is_not_there() {
        for source in
            ["{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}", "{{ range(9) }}", "{{ debug() }}"]
        {
            assert!(matches!(rendered(source), Err(Flaw::UnknownVariables { .. })), "{source}");
        }
        for filter in ["pprint", "replace('a')", "indent(9)", "format(1)", "sort", "join", "list", "split"] {
            assert!(matches!(rendered(&format!("{{{{ name | {filter} }}}}")), Err(Flaw::Fails { .. })));
        }
        let endless = format!("{{% set x = [1] %}}{}{{{{ x }}}}", "{% set x = x + x %}".repeat(60));
        assert!(matches!(rendered(&endless), Err(Flaw::Unsupported { line: 1, .. })));
    }

    /// The longest templates that are kept, on a quarter of the stack that a worker has. A stack overflow is
    /// no answer: it ends the process.
    #[test]
    fn deep_nesting_is_refused_before_it_hurts() {
        let within = [
            ("", "- ", "1"),
            ("", "-", "1"),
            ("", "not ", "1"),
            ("1", "+1", ""),
            ("'a'", "~'b'", ""),
            ("1", " and 1", ""),
            ("1", " or 1", ""),
            ("1", "**1", ""),
            ("name", "()", ""),
            ("name", ".x", ""),
            ("name", "|upper", ""),
            ("", "1 if 1 else ", "1"),
            ("", "(", "1"),
        ];
        let within = within.into_iter().flat_map(|(before, repeated, after)| {
            let tag = |bytes: usize| {
                format!("{{{{ {before}{}{after} }}}}", repeated.repeat(bytes / repeated.len()))
            };
            [tag(480), tag(9_900)]
        });
        let across = ["{% if 1 %}", "{% for x in name %}", "{% with %}", "{% filter upper %}"]
            .map(|open| open.repeat(9_900 / open.len()));
        let flat = ["{% elif 0 %}", "{% elif points %}"]
            .map(|tag| format!("{{% if 0 %}}{}x{{% endif %}}", tag.repeat(9_900 / tag.len())));
        for source in within.chain(across).chain(flat) {
            let told: String = source.chars().take(60).collect();
            let small = std::thread::Builder::new().stack_size(512 * 1024);
            let ended = small.spawn(move || drop(rendered(&source))).unwrap().join();
            assert!(ended.is_ok(), "{told}");
        }
    }

    #[test]
    fn a_text_is_neither_empty_nor_longer_than_allowed() {
        assert_eq!(rendered("{% if points < 0 %}x{% endif %} \n"), Err(Flaw::Empty));
        assert_eq!(render("äää", &Values::new(), 3).unwrap(), "äää");
        assert_eq!(render("ääää", &Values::new(), 3), Err(Flaw::Long { chars_max: 3 }));
    }

    proptest! {
        /// Whatever stands in a template, the answer is a text or a flaw, and the same one every time.
        #[test]
        fn any_source_ends_in_a_text_or_a_flaw(
            source in r"(\{\{|\}\}|\{%|%\}|[ a-z0-9|.'\[\]()~*+-]|name|points|for|in|if|set|=|\PC){0,60}",
        ) {
            let first = rendered(&source);
            prop_assert_eq!(&first, &rendered(&source));
            if let Ok(text) = first {
                prop_assert!(text.chars().count() <= 1_000);
            }
        }

        /// A text without braces is its own rendering, and a value comes out as it went in.
        #[test]
        fn text_and_values_are_not_changed(text in r"[^{}#%\n]{1,50}x", name in r"\PC{1,50}x") {
            prop_assert_eq!(rendered(&text).unwrap(), text);
            let mut values = values();
            values.insert("name".into(), Datum::Text(name.clone()));
            prop_assert_eq!(render("{{ name }}", &values, 1_000).unwrap(), name);
        }
    }
}
