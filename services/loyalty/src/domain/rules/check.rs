//! The types of a condition, and what it may cost.

use std::collections::BTreeMap;

use cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, ListExpr, LiteralValue, SelectExpr, operators as op,
};
use cel::parser::Expression;

use super::condition::COST_MAX;
use super::facts::{ATTRIBUTES_MAX, ITEMS_MAX};

/// What is wrong, and the part of the expression that is.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) id: u64,
    pub(super) told: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Type {
    Bool,
    Int,
    Double,
    Text,
    Time,
    Duration,
    Null,
    List(Box<Type>),
    /// Text to text.
    Map,
    /// A record of known fields.
    Record(&'static str),
    /// The element of an empty list.
    Any,
}

use Type::{Any, Bool, Double, Duration, Int, List, Map, Null, Record, Text, Time};

/// Everything that a condition may name, by its record.
const FIELDS: &[(&str, &str, Type)] = &[
    ("activity", "type", Text),
    ("activity", "amount", Double),
    ("activity", "external_id", Text),
    ("activity", "location", Text),
    ("activity", "attributes", Map),
    ("activity", "occurred_time", Time),
    ("item", "sku", Text),
    ("item", "category", Text),
    ("item", "quantity", Int),
    ("item", "amount", Double),
    ("tier", "id", Text),
    ("tier", "rank", Int),
    ("member", "external_id", Text),
    ("member", "attributes", Map),
    ("member", "locale", Text),
    ("member", "time_zone", Text),
    ("member", "birth_month", Int),
    ("member", "birth_day", Int),
    ("member", "join_time", Time),
];

struct Priced {
    is: Type,
    cost: u64,
}

/// What a condition names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) tier: bool,
    pub(super) member: bool,
}

/// What a condition is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// An activity.
    Activity,
    /// One item of an activity.
    Item,
    /// A member.
    Member,
}

struct Checker {
    scopes: Vec<BTreeMap<String, Type>>,
    scope: Scope,
    named: Named,
}

/// Checks that the expression is a yes or no over what it may name, and what it may cost.
pub(super) fn check(expression: &Expression, scope: Scope) -> Result<Named, Wrong> {
    let mut checker = Checker { scopes: Vec::new(), scope, named: Named::default() };
    let Priced { is, cost } = checker.price(expression)?;
    if is != Bool {
        return Err(wrong(expression, format!("is {}, but a condition is true or false", is.name())));
    }
    let asked = if scope == Scope::Item { ITEMS_MAX } else { 1 };
    let cost = cost.saturating_mul(asked);
    if cost > COST_MAX {
        let told = format!("may take {cost} steps, more than {COST_MAX}; look at fewer items at once");
        return Err(wrong(expression, told));
    }
    Ok(checker.named)
}

fn wrong(expression: &Expression, told: impl Into<String>) -> Wrong {
    Wrong { id: expression.id, told: told.into() }
}

impl Type {
    fn name(&self) -> String {
        match self {
            Bool => "true or false".into(),
            Int => "a whole number".into(),
            Double => "a number".into(),
            Text => "text".into(),
            Time => "a time".into(),
            Duration => "a duration".into(),
            Null => "null".into(),
            List(of) => format!("a list of {}", of.name()),
            Map => "a map of text".into(),
            Record(name) => format!("the record `{name}`"),
            Any => "anything".into(),
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Int | Double)
    }

    /// The type that both have, if they may stand in one place.
    fn both(&self, other: &Type) -> Option<Type> {
        match (self, other) {
            (Any, is) | (is, Any) => Some(is.clone()),
            (List(a), List(b)) => Some(List(Box::new(a.both(b)?))),
            (a, b) if a == b => Some(a.clone()),
            _ => None,
        }
    }

    /// The most elements that it has.
    fn length_max(&self) -> u64 {
        if *self == Map { ATTRIBUTES_MAX } else { ITEMS_MAX }
    }
}

impl Checker {
    fn price(&mut self, e: &Expression) -> Result<Priced, Wrong> {
        match &e.expr {
            Expr::Literal(literal) => literal_type(e, literal).map(|is| Priced { is, cost: 1 }),
            Expr::Ident(name) => self.named(e, name).map(|is| Priced { is, cost: 1 }),
            Expr::Select(select) => self.select(e, select),
            Expr::List(list) => self.list(e, list),
            Expr::Call(call) => self.call(e, call),
            Expr::Comprehension(loop_) => self.comprehension(e, loop_),
            Expr::Map(_) | Expr::Struct(_) => Err(wrong(e, "maps and structs cannot be made here")),
            Expr::Unspecified => Err(wrong(e, "is empty")),
        }
    }

    fn named(&mut self, e: &Expression, name: &str) -> Result<Type, Wrong> {
        if let Some(is) = self.scopes.iter().rev().find_map(|scope| scope.get(name)) {
            return Ok(is.clone());
        }
        match name {
            "activity" | "item" if self.scope == Scope::Member => {
                Err(wrong(e, format!("`{name}` is not known here; there are member, tier and now")))
            }
            "activity" => Ok(Record("activity")),
            "tier" => {
                self.named.tier = true;
                Ok(Record("tier"))
            }
            "member" => {
                self.named.member = true;
                Ok(Record("member"))
            }
            "now" => Ok(Time),
            "item" if self.scope == Scope::Item => Ok(Record("item")),
            "item" => Err(wrong(e, "`item` can be named only by rules that look at items")),
            _ => Err(wrong(
                e,
                format!("`{name}` is not known; there are activity, item, member, tier and now"),
            )),
        }
    }

    fn select(&mut self, e: &Expression, select: &SelectExpr) -> Result<Priced, Wrong> {
        let of = self.price(&select.operand)?;
        let cost = of.cost.saturating_add(1);
        let field = select.field.as_str();
        let is = match &of.is {
            Map => Text,
            Record("activity") if field == "items" => List(Box::new(Record("item"))),
            Record(record) => {
                let known = || FIELDS.iter().filter(|(of, ..)| of == record);
                let Some((.., is)) = known().find(|(_, name, _)| *name == field) else {
                    let mut names: Vec<&str> = known().map(|(_, name, _)| *name).collect();
                    if *record == "activity" {
                        names.push("items");
                    }
                    let told = format!("`{record}` has no `{field}`; it has {}", names.join(", "));
                    return Err(wrong(e, told));
                };
                is.clone()
            }
            other => return Err(wrong(e, format!("{} has no `{field}`", other.name()))),
        };
        Ok(Priced { is: if select.test { Bool } else { is }, cost })
    }

    fn list(&mut self, e: &Expression, list: &ListExpr) -> Result<Priced, Wrong> {
        let (mut of, mut cost) = (Any, 1_u64);
        for element in &list.elements {
            let priced = self.price(element)?;
            of = of.both(&priced.is).ok_or_else(|| {
                wrong(element, format!("is {} in a list of {}", priced.is.name(), of.name()))
            })?;
            cost = cost.saturating_add(priced.cost);
        }
        if list.optional_indices.is_empty() {
            Ok(Priced { is: List(Box::new(of)), cost })
        } else {
            Err(wrong(e, "optional elements are not available"))
        }
    }

    fn call(&mut self, e: &Expression, call: &CallExpr) -> Result<Priced, Wrong> {
        let mut types = Vec::new();
        let mut cost = 1_u64;
        for argument in call.target.as_deref().into_iter().chain(&call.args) {
            let priced = self.price(argument)?;
            types.push(priced.is);
            cost = cost.saturating_add(priced.cost);
        }
        let name = call.func_name.as_str();
        let is = if call.target.is_some() { method(name, &types) } else { function(name, &types) };
        let Some((is, more)) = is else {
            let given: Vec<String> = types.iter().map(Type::name).collect();
            let told = format!("`{}` cannot be applied to {}", readable(name), given.join(" and "));
            return Err(wrong(e, told));
        };
        Ok(Priced { is, cost: cost.saturating_add(more) })
    }

    fn comprehension(&mut self, e: &Expression, of: &ComprehensionExpr) -> Result<Priced, Wrong> {
        let range = self.price(&of.iter_range)?;
        let element = match &range.is {
            List(element) => (**element).clone(),
            Map => Text,
            other => return Err(wrong(e, format!("{} has no elements", other.name()))),
        };
        if of.iter_var2.is_some() {
            return Err(wrong(e, "only one variable is available"));
        }
        let times = match &of.iter_range.expr {
            Expr::List(list) => list.elements.len() as u64,
            _ => range.is.length_max(),
        };
        let start = self.price(&of.accu_init)?;
        let within = |gathered: Type| {
            BTreeMap::from([(of.iter_var.clone(), element.clone()), (of.accu_var.clone(), gathered)])
        };
        self.scopes.push(within(start.is.clone()));
        let go_on = self.price(&of.loop_cond);
        let step = self.price(&of.loop_step);
        self.scopes.pop();
        let (go_on, step) = (go_on?, step?);
        let gathered = start
            .is
            .both(&step.is)
            .ok_or_else(|| wrong(&of.loop_step, format!("is {}, not {}", step.is.name(), start.is.name())))?;
        self.scopes.push(within(gathered));
        let result = self.price(&of.result);
        self.scopes.pop();
        let result = result?;
        let once = go_on.cost.saturating_add(step.cost);
        let cost = range.cost.saturating_add(result.cost).saturating_add(times.saturating_mul(once));
        Ok(Priced { is: result.is, cost })
    }
}

fn literal_type(e: &Expression, literal: &LiteralValue) -> Result<Type, Wrong> {
    match literal {
        LiteralValue::Boolean(_) => Ok(Bool),
        LiteralValue::Int(_) => Ok(Int),
        LiteralValue::Double(_) => Ok(Double),
        LiteralValue::String(_) => Ok(Text),
        LiteralValue::Null => Ok(Null),
        LiteralValue::UInt(_) => Err(wrong(e, "unsigned numbers are not available")),
        LiteralValue::Bytes(_) => Err(wrong(e, "bytes are not available")),
    }
}

/// The type of an operator or function, and what it costs beyond its arguments.
fn function(name: &str, types: &[Type]) -> Option<(Type, u64)> {
    let is = match (name, types) {
        (op::LOGICAL_AND | op::LOGICAL_OR, [Bool, Bool]) => Bool,
        (op::LOGICAL_NOT | op::NOT_STRICTLY_FALSE, [Bool]) => Bool,
        (op::CONDITIONAL, [Bool, a, b]) => a.both(b)?,
        (op::EQUALS | op::NOT_EQUALS, [a, b]) if a.is_number() && b.is_number() => Bool,
        (op::EQUALS | op::NOT_EQUALS, [a, b]) => a.both(b).map(|_| Bool)?,
        (op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS, [a, b]) => match (a, b) {
            (Text, Text) | (Time, Time) | (Duration, Duration) => Bool,
            (a, b) if a.is_number() && b.is_number() => Bool,
            _ => return None,
        },
        (op::ADD, [Text, Text]) => Text,
        (op::ADD, [List(a), List(b)]) => return Some((List(Box::new(a.both(b)?)), 20)),
        (op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE, [a, b]) if a.is_number() && a == b => a.clone(),
        (op::SUBSTRACT, [Time, Time]) => Duration,
        (op::ADD | op::SUBSTRACT, [Time, Duration]) => Time,
        (op::ADD | op::SUBSTRACT, [Duration, Duration]) => Duration,
        (op::MODULO, [Int, Int]) => Int,
        (op::NEGATE, [a]) if a.is_number() => a.clone(),
        (op::IN, [a, List(b)]) => return a.both(b).map(|_| (Bool, 10)),
        (op::IN, [Text, Map]) => Bool,
        (op::INDEX, [List(a), Int]) => (**a).clone(),
        (op::INDEX, [Map, Text]) => Text,
        ("size", [Text | List(_) | Map]) => Int,
        ("int", [Double | Int]) => Int,
        ("double", [Double | Int]) => Double,
        ("timestamp", [Text]) => return Some((Time, 20)),
        ("duration", [Text]) => return Some((Duration, 20)),
        _ => return None,
    };
    Some((is, 0))
}

fn method(name: &str, types: &[Type]) -> Option<(Type, u64)> {
    match (name, types) {
        ("contains" | "startsWith" | "endsWith", [Text, Text]) => Some((Bool, 4)),
        ("size", [Text | List(_) | Map]) => Some((Int, 0)),
        (
            "getFullYear" | "getMonth" | "getDayOfMonth" | "getDayOfYear" | "getDayOfWeek" | "getHours"
            | "getMinutes",
            [Time] | [Time, Text],
        ) => Some((Int, 10)),
        _ => None,
    }
}

fn readable(name: &str) -> &str {
    match name {
        op::CONDITIONAL => "? :",
        op::INDEX => "[ ]",
        op::IN => "in",
        _ => name.trim_matches('_'),
    }
}
