//! Rules of whole numbers.

use prost_reflect::{DynamicMessage, Value};

use crate::Result;
use crate::rules::{Check, none_of, one_of};

/// A whole number of any kind, with what its kind can hold.
struct Number {
    value: i128,
    kind: &'static str,
    min: i128,
    max: i128,
}

impl Number {
    fn read(value: &Value) -> Option<Self> {
        let (value, kind, min, max) = match value {
            Value::I32(value) => (i128::from(*value), "i32", i128::from(i32::MIN), i128::from(i32::MAX)),
            Value::I64(value) => (i128::from(*value), "i64", i128::from(i64::MIN), i128::from(i64::MAX)),
            Value::U32(value) => (i128::from(*value), "u32", 0, i128::from(u32::MAX)),
            Value::U64(value) => (i128::from(*value), "u64", 0, i128::from(u64::MAX)),
            _ => return None,
        };
        Some(Self { value, kind, min, max })
    }

    fn literal(&self) -> String {
        format!("{}_{}", self.value, self.kind)
    }
}

/// The check of one rule; none if no number of this kind can break it.
pub(crate) fn check(rule: &str, value: &Value) -> Result<Option<Check>> {
    if let Value::List(values) = value {
        let numbers: Vec<Number> = values.iter().filter_map(Number::read).collect();
        let alternatives = numbers.iter().map(Number::literal).collect::<Vec<_>>().join(" | ");
        let values: Vec<i128> = numbers.iter().map(|number| number.value).collect();
        let (broken, description) = match rule {
            "in" => (format!("!matches!(value, {alternatives})"), one_of(&values)),
            "not_in" => (format!("matches!(value, {alternatives})"), none_of(&values)),
            _ => return Err("not supported".into()),
        };
        return Ok(Some(Check { broken, description }));
    }
    let number = Number::read(value).ok_or("not supported")?;
    let (operator, words) = match rule {
        "gt" if number.value == number.max => return Err("no value passes".into()),
        "lt" if number.value == number.min => return Err("no value passes".into()),
        // A comparison that cannot fail would be refused by the compiler.
        "gte" if number.value == number.min => return Ok(None),
        "lte" if number.value == number.max => return Ok(None),
        "gte" if number.value == 0 => ("<", "must not be negative".to_owned()),
        "gt" => ("<=", format!("must be greater than {}", number.value)),
        "gte" => ("<", format!("must be at least {}", number.value)),
        "lt" => (">=", format!("must be less than {}", number.value)),
        "lte" => (">", format!("must be at most {}", number.value)),
        "const" => ("!=", format!("must be {}", number.value)),
        _ => return Err("not supported".into()),
    };
    Ok(Some(Check { broken: format!("value {operator} {}", number.literal()), description: words }))
}

/// Refuses bounds that lie the wrong way round: protovalidate takes them for a forbidden range, which reads
/// like a mistake and is not supported.
pub(crate) fn assert_some_value_passes(rules: &DynamicMessage) -> Result<()> {
    let bound = |names: [&str; 2]| {
        let mut set = rules.fields().filter(|(field, _)| names.contains(&field.name()));
        set.find_map(|(_, value)| Number::read(value)).map(|number| number.value)
    };
    match (bound(["gt", "gte"]), bound(["lt", "lte"])) {
        (Some(lower), Some(upper)) if lower > upper => Err("its bounds lie the wrong way round".into()),
        _ => Ok(()),
    }
}
