//! Conditions in CEL: parsed, checked and priced when they are saved, and then asked of one activity.
//!
//! The checker knows the type of everything that a condition may name, so a slip of the pen is found where it
//! is made, not when a member pays. What a condition may cost is bounded before it is ever asked: by its
//! text, and by the most items that an activity can have.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use cel::common::ast::SourceInfo;
use cel::parser::{Expression, Parser};
use cel::{Context, Env, Value};

use super::check::{self, Scope};
use super::facts::Asked;

/// A condition that may be asked.
#[derive(Clone)]
pub(super) struct Condition {
    expression: Arc<Expression>,
    source: String,
    pub(super) names_tier: bool,
    pub(super) names_member: bool,
}

/// What is wrong with a condition, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// From 1.
    pub(super) line: usize,
    /// From 1, in characters.
    pub(super) column: usize,
    /// What is wrong.
    pub(super) told: String,
}

/// What a condition costs at most: about one unit for each step of its evaluation.
pub(super) const COST_MAX: u64 = 20_000;
/// How long a condition may be, in bytes.
pub(super) const LENGTH_MAX: usize = 2_000;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

impl Condition {
    /// Compiles a condition whose answer is yes or no. `of_item`: it may name `item`.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(super) fn try_new(source: &str, of_item: bool) -> Result<Condition, Fault> {
        Condition::asking(source, if of_item { Scope::Item } else { Scope::Activity })
    }

    /// The same of a condition that knows of no activity.
    ///
    /// # Errors
    /// As [`Condition::try_new`].
    pub(super) fn of_member(source: &str) -> Result<Condition, Fault> {
        Condition::asking(source, Scope::Member)
    }

    fn asking(source: &str, scope: Scope) -> Result<Condition, Fault> {
        if source.len() > LENGTH_MAX {
            return Err(Fault { line: 1, column: 1, told: format!("is longer than {LENGTH_MAX} bytes") });
        }
        let parsed = Parser::new().max_recursion_depth(32).parse_with_source_info(source);
        let (expression, info) = parsed.map_err(|errors| syntax(&errors))?;
        let named = check::check(&expression, scope).map_err(|wrong| place(&info, wrong))?;
        let (expression, source) = (Arc::new(expression), source.to_owned());
        Ok(Condition { expression, source, names_tier: named.tier, names_member: named.member })
    }

    /// As it was written.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// True if it holds; an error of the evaluation (a missing attribute, a division by zero) as its text.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) fn holds(&self, asked: &Context<'_, '_>) -> Result<bool, String> {
        match asked.resolve(&self.expression) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err("it is neither true nor false".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What conditions are asked of.
    pub(super) fn context<'v>(asked: Asked) -> Context<'v, 'v> {
        let mut context = Context::with_env(ENV.clone());
        for (name, value) in asked {
            context.add_variable_from_value(name, value);
        }
        context
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Condition) -> bool {
        self.source == other.source
    }
}

impl Eq for Condition {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.told)
    }
}

fn syntax(errors: &cel::ParseErrors) -> Fault {
    let first = errors.errors.first();
    let (line, column) = first.map_or((1, 1), |error| error.pos);
    let told = first.map_or_else(|| "is not CEL".to_owned(), |error| error.msg.clone());
    let at = |n: isize| usize::try_from(n).unwrap_or(1).max(1);
    Fault { line: at(line), column: at(column), told }
}

fn place(info: &SourceInfo, wrong: check::Wrong) -> Fault {
    let offset = info.offset_for(wrong.id).map_or(0, |(start, _)| start as usize);
    let before: String = info.source.chars().take(offset).collect();
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()).saturating_add(1);
    Fault { line, column, told: wrong.told }
}

/// Text to text, as CEL has it.
pub(super) fn map_of(entries: &BTreeMap<String, String>) -> Value {
    let pairs = entries.iter().map(|(key, value)| (key.clone(), Value::from(value.clone())));
    Value::from(pairs.collect::<std::collections::HashMap<String, Value>>())
}
