//! Reads `buf.validate` annotations. A rule that is not understood here is an error: it must never look as if
//! it held.

use std::fmt::Display;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor, Value};

use crate::Result;
use crate::numbers;
use crate::patterns::Patterns;

/// What a field must be.
#[derive(Default)]
pub(crate) struct FieldRules {
    /// It must be set: present if it has presence, otherwise not the zero value.
    pub(crate) required: bool,
    /// The zero value passes without a look at the checks.
    pub(crate) ignore_zero: bool,
    pub(crate) checks: Vec<Check>,
}

/// One rule about one value.
pub(crate) struct Check {
    /// A Rust expression over `value` that is true when the rule is broken.
    pub(crate) broken: String,
    /// What the sender reads, without the name of the field.
    pub(crate) description: String,
}

/// The rules of one field.
pub(crate) fn of_field(field: &FieldDescriptor, patterns: &mut Patterns) -> Result<FieldRules> {
    let refuse = |rule: &str| Err(error(field.parent_message(), field.name(), rule));
    let mut rules = FieldRules::default();
    let Some(annotation) = annotation(&field.options(), "buf.validate.field") else { return Ok(rules) };
    for (name, value) in entries(&annotation) {
        match (name.as_str(), &value) {
            ("required", Value::Bool(required)) => rules.required = *required,
            ("ignore", Value::EnumNumber(0)) => {}
            ("ignore", Value::EnumNumber(1)) => rules.ignore_zero = true,
            (kind, Value::Message(set)) if kind == kind_name(field) => {
                for (rule, value) in entries(set) {
                    match check(field, &rule, &value, patterns) {
                        Ok(check) => rules.checks.extend(check),
                        Err(why) => return refuse(&format!("{kind}.{rule} ({why})")),
                    }
                }
                if let Err(why) = numbers::assert_some_value_passes(set) {
                    return refuse(&format!("{kind} ({why})"));
                }
            }
            (name, Value::Message(set)) => {
                let rule =
                    entries(set).into_iter().next().map_or(String::new(), |(rule, _)| format!(".{rule}"));
                return refuse(&format!("{name}{rule} (does not fit a field of kind {:?})", field.kind()));
            }
            (name, value) => return refuse(&format!("{name} = {value} (not supported)")),
        }
    }
    if rules.ignore_zero && rules.required {
        return refuse("ignore (contradicts required)");
    }
    if rules.ignore_zero && !field.is_list() && matches!(field.kind(), Kind::Message(_)) {
        return refuse("ignore (not supported for messages)");
    }
    Ok(rules)
}

/// Whether one member of a oneof must be set.
pub(crate) fn is_required(oneof: &OneofDescriptor) -> Result<bool> {
    let Some(annotation) = annotation(&oneof.options(), "buf.validate.oneof") else { return Ok(false) };
    let mut required = false;
    for (name, value) in entries(&annotation) {
        match (name.as_str(), value) {
            ("required", Value::Bool(value)) => required = value,
            (name, _) => {
                return Err(error(oneof.parent_message(), oneof.name(), &format!("{name} (not supported)")));
            }
        }
    }
    Ok(required)
}

/// Refuses rules about a message as a whole.
pub(crate) fn assert_none_on(message: &MessageDescriptor) -> Result<()> {
    let annotation = annotation(&message.options(), "buf.validate.message");
    match annotation.and_then(|annotation| entries(&annotation).into_iter().next()) {
        None => Ok(()),
        Some((rule, _)) => Err(error(message, "(message)", &format!("{rule} (not supported)"))),
    }
}

fn error(message: &MessageDescriptor, field: &str, rule: &str) -> Box<dyn std::error::Error> {
    let file = message.parent_file().name().to_owned();
    format!("{file}: message {}, field {field}: validation rule {rule}", message.full_name()).into()
}

fn annotation(options: &DynamicMessage, extension: &str) -> Option<DynamicMessage> {
    let found = options.extensions().find(|(descriptor, _)| descriptor.full_name() == extension);
    found.and_then(|(_, value)| value.as_message().cloned())
}

/// Everything that is set in an annotation, also what this build's validate.proto does not declare.
fn entries(annotation: &DynamicMessage) -> Vec<(String, Value)> {
    let known = annotation.fields().map(|(field, value)| (field.name().to_owned(), value.clone()));
    let extended =
        annotation.extensions().map(|(field, value)| (format!("[{}]", field.full_name()), value.clone()));
    let unknown =
        annotation.unknown_fields().map(|field| (format!("#{}", field.number()), Value::Bool(true)));
    known.chain(extended).chain(unknown).collect()
}

/// The name of the rule set that fits a field.
fn kind_name(field: &FieldDescriptor) -> &'static str {
    match field.kind() {
        _ if field.is_list() => "repeated",
        _ if field.is_map() => "map",
        Kind::String => "string",
        Kind::Bool => "bool",
        Kind::Enum(_) => "enum",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
        _ => "(no rule set is supported)",
    }
}

fn check(
    field: &FieldDescriptor,
    rule: &str,
    value: &Value,
    patterns: &mut Patterns,
) -> Result<Option<Check>> {
    match field.kind() {
        _ if field.is_list() => list(rule, value).map(Some),
        _ if field.is_map() => Err("not supported".into()),
        Kind::String => string(rule, value, patterns),
        Kind::Enum(kind) => {
            let name =
                |number: i32| kind.get_value(number).map_or(number.to_string(), |v| v.name().to_owned());
            enumeration(rule, value, kind.name(), kind.values().map(|v| v.number()), name)
        }
        Kind::Bool => match (rule, value) {
            ("const", Value::Bool(wanted)) => Ok(Some(Check {
                broken: if *wanted { "!value".to_owned() } else { "value".to_owned() },
                description: format!("must be {wanted}"),
            })),
            _ => Err("not supported".into()),
        },
        _ => numbers::check(rule, value),
    }
}

fn list(rule: &str, value: &Value) -> Result<Check> {
    let items = |count: u64| if count == 1 { "1 item".to_owned() } else { format!("{count} items") };
    match (rule, value) {
        ("min_items", Value::U64(1)) => Ok(Check {
            broken: "value.is_empty()".to_owned(),
            description: "must have at least 1 item".to_owned(),
        }),
        ("min_items", Value::U64(count)) => Ok(Check {
            broken: format!("value.len() < {count}"),
            description: format!("must have at least {}", items(*count)),
        }),
        ("max_items", Value::U64(count)) => Ok(Check {
            broken: format!("value.len() > {count}"),
            description: format!("must not have more than {}", items(*count)),
        }),
        _ => Err("not supported".into()),
    }
}

fn string(rule: &str, value: &Value, patterns: &mut Patterns) -> Result<Option<Check>> {
    let characters = |n: u64| if n == 1 { "1 character".to_owned() } else { format!("{n} characters") };
    let (broken, description) = match (rule, value) {
        ("min_len", Value::U64(1)) => ("value.is_empty()".to_owned(), "must not be empty".to_owned()),
        ("min_len", Value::U64(n)) => (
            format!("!crate::rules::has_characters(value, {n})"),
            format!("must have at least {}", characters(*n)),
        ),
        ("max_len", Value::U64(n)) => (
            format!("crate::rules::has_characters(value, {})", n.checked_add(1).ok_or("no value fails")?),
            format!("must not be longer than {}", characters(*n)),
        ),
        ("pattern", Value::String(pattern)) => {
            (format!("!{}.is_match(value)", patterns.name(pattern)?), format!("must match {pattern}"))
        }
        ("uuid", Value::Bool(true)) => (
            "!crate::rules::is_uuid(value)".to_owned(),
            "must be a UUID such as 7b1f0c5e-8d2a-4f60-9c3b-1e5d7a2f4b68".to_owned(),
        ),
        ("uuid", Value::Bool(false)) => return Ok(None),
        ("const", Value::String(wanted)) => (format!("value != {wanted:?}"), format!("must be {wanted:?}")),
        ("in", Value::List(wanted)) => {
            let wanted: Vec<String> =
                wanted.iter().filter_map(Value::as_str).map(|one| format!("{one:?}")).collect();
            (format!("!matches!(value, {})", wanted.join(" | ")), one_of(&wanted))
        }
        _ => return Err("not supported".into()),
    };
    Ok(Some(Check { broken, description }))
}

fn enumeration(
    rule: &str,
    value: &Value,
    kind: &str,
    defined: impl Iterator<Item = i32>,
    name: impl Fn(i32) -> String,
) -> Result<Option<Check>> {
    let alternatives = |numbers: &[i32]| numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(" | ");
    let listed = || -> Vec<i32> {
        let list = value.as_list().unwrap_or_default();
        list.iter().filter_map(|one| one.as_i32().or_else(|| one.as_enum_number())).collect()
    };
    let (broken, description) = match (rule, value) {
        ("defined_only", Value::Bool(true)) => {
            let mut numbers: Vec<i32> = defined.collect();
            numbers.sort_unstable();
            numbers.dedup();
            (
                format!("!matches!(value, {})", alternatives(&numbers)),
                format!("must be a defined value of {kind}"),
            )
        }
        ("defined_only", Value::Bool(false)) => return Ok(None),
        ("in", Value::List(_)) => {
            let names: Vec<String> = listed().into_iter().map(&name).collect();
            (format!("!matches!(value, {})", alternatives(&listed())), one_of(&names))
        }
        ("not_in", Value::List(_)) => {
            let names: Vec<String> = listed().into_iter().map(&name).collect();
            (format!("matches!(value, {})", alternatives(&listed())), none_of(&names))
        }
        _ => return Err("not supported".into()),
    };
    Ok(Some(Check { broken, description }))
}

pub(crate) fn one_of<T: Display>(values: &[T]) -> String {
    match values {
        [only] => format!("must be {only}"),
        _ => format!("must be one of {}", join(values)),
    }
}

pub(crate) fn none_of<T: Display>(values: &[T]) -> String {
    match values {
        [only] => format!("must not be {only}"),
        _ => format!("must not be one of {}", join(values)),
    }
}

fn join<T: Display>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
