//! Writes `impl Validate` for every message.

use prost_reflect::{
    DescriptorPool, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, OneofDescriptor,
};

use crate::patterns::Patterns;
use crate::rules::{self, Check, FieldRules};
use crate::{Result, names};

/// What no text may hold, though no rule asks for it: PostgreSQL keeps no text with this character.
const UNCLEAN: &str = "must not contain the character U+0000";
/// The same of the key of an entry.
const UNCLEAN_KEY: &str = "must not have a key with the character U+0000";

/// The checks of every message in the chosen files, for types that lie below `module`.
pub(crate) fn checks(
    pool: &DescriptorPool,
    module: &str,
    is_chosen: impl Fn(&FileDescriptor) -> bool,
) -> Result<String> {
    let mut writer = Writer { module, is_chosen, patterns: Patterns::default() };
    let mut code = String::new();
    for message in pool.all_messages() {
        if (writer.is_chosen)(&message.parent_file()) && !message.is_map_entry() {
            code.push_str(&writer.implementation(&message)?);
        }
    }
    code.push_str(&writer.patterns.code());
    Ok(code)
}

struct Writer<'a, F> {
    module: &'a str,
    is_chosen: F,
    patterns: Patterns,
}

impl<F: Fn(&FileDescriptor) -> bool> Writer<'_, F> {
    fn implementation(&mut self, message: &MessageDescriptor) -> Result<String> {
        rules::assert_none_on(message)?;
        let is_response = message.name().ends_with("Response");
        let mut body = String::new();
        for field in message.fields() {
            body.push_str(&self.field(&field)?);
        }
        // The rules of a response are read, so that a mistake shows, but not enforced.
        if is_response {
            body.clear();
        }
        let (at, found) = if body.is_empty() { ("_at", "_found") } else { ("at", "found") };
        Ok(format!(
            "impl crate::Validate for {} {{\n\
             const DOMAIN: &'static str = {:?};\n\
             const RESPONSE: bool = {is_response};\n\
             fn validate(&self, {at}: &crate::Path<'_>, {found}: &mut crate::Violations) {{\n{body}}}\n}}\n",
            names::message(self.module, message),
            domain(message.package_name()),
        ))
    }

    fn field(&mut self, field: &FieldDescriptor) -> Result<String> {
        let rules = rules::of_field(field, &mut self.patterns)?;
        match field.containing_oneof() {
            Some(oneof) if !oneof.is_synthetic() => {
                let member_is_required = self.required_member(field, &oneof, &rules);
                let is_first = oneof.fields().map(|member| member.number()).next() == Some(field.number());
                Ok(member_is_required + &if is_first { self.oneof(&oneof)? } else { String::new() })
            }
            _ => Ok(self.plain_field(field, &rules)),
        }
    }

    /// A field that belongs to no oneof, or only to the invisible one of an `optional` field.
    fn plain_field(&self, field: &FieldDescriptor, rules: &FieldRules) -> String {
        let place = format!("self.{}", names::snake(field.name()));
        let missing = if rules.required { add(field.name(), "is required") } else { String::new() };
        if field.is_list() || field.is_map() {
            return self.many(field, rules, &place, &missing);
        }
        if let Kind::Message(inner) = field.kind() {
            return match (self.recurse(&inner, &format!("at.field({:?})", field.name())), missing.is_empty())
            {
                (None, true) => String::new(),
                (None, false) => format!("if {place}.is_none() {{ {missing} }}\n"),
                (Some(recurse), true) => format!("if let Some(inner) = &{place} {{ {recurse} }}\n"),
                (Some(recurse), false) => {
                    format!("match &{place} {{ Some(inner) => {{ {recurse} }} None => {{ {missing} }} }}\n")
                }
            };
        }
        let is_borrowed = matches!(field.kind(), Kind::String | Kind::Bytes);
        let checks = value_checks(field, rules);
        if field.supports_presence() {
            let place = if is_borrowed { format!("{place}.as_deref()") } else { place };
            return match (checks.is_empty(), missing.is_empty()) {
                (true, true) => String::new(),
                (true, false) => format!("if {place}.is_none() {{ {missing} }}\n"),
                (false, true) => format!("if let Some(value) = {place} {{ {checks} }}\n"),
                (false, false) => {
                    format!("match {place} {{ Some(value) => {{ {checks} }} None => {{ {missing} }} }}\n")
                }
            };
        }
        let borrow = if is_borrowed { "&*" } else { "" };
        match (checks.is_empty(), missing.is_empty()) {
            (true, true) => String::new(),
            (false, true) => format!("{{ let value = {borrow}{place}; {checks} }}\n"),
            (_, false) => {
                let zero = is_zero(&field.kind());
                let otherwise =
                    if checks.is_empty() { String::new() } else { format!("else {{ {checks} }}") };
                format!("{{ let value = {borrow}{place}; if {zero} {{ {missing} }} {otherwise} }}\n")
            }
        }
    }

    /// A list or a map: its own rules, then its items.
    fn many(&self, field: &FieldDescriptor, rules: &FieldRules, place: &str, missing: &str) -> String {
        let mut code = String::new();
        if !missing.is_empty() {
            code.push_str(&format!("if {place}.is_empty() {{ {missing} }}\n"));
        }
        if !rules.checks.is_empty() {
            let checks = conditions(field, &rules.checks);
            let unless_empty = if rules.ignore_zero || rules.required { "if !value.is_empty()" } else { "" };
            code.push_str(&format!("{{ let value = &{place}; {unless_empty} {{ {checks} }} }}\n"));
        }
        let name = field.name();
        code.push_str(&texts(field, place));
        let Kind::Message(item) = field.kind() else { return code };
        if !field.is_map() {
            if let Some(recurse) = self.recurse(&item, &format!("at.item({name:?}, index)")) {
                code.push_str(&format!("for (index, inner) in {place}.iter().enumerate() {{ {recurse} }}\n"));
            }
        } else if let Kind::Message(item) = item.map_entry_value_field().kind()
            && let Some(recurse) = self.recurse(&item, &format!("at.entry({name:?}, key)"))
        {
            code.push_str(&format!("for (key, inner) in &{place} {{ {recurse} }}\n"));
        }
        code
    }

    fn oneof(&mut self, oneof: &OneofDescriptor) -> Result<String> {
        let kind = names::oneof(self.module, oneof.parent_message(), oneof.name());
        let mut arms = Vec::new();
        if rules::is_required(oneof)? {
            let members: Vec<String> = oneof.fields().map(|member| member.name().to_owned()).collect();
            let description = match members.as_slice() {
                [only] => format!("{only} must be set"),
                _ => format!("one of {} must be set", members.join(", ")),
            };
            arms.push(format!("None => {{ {} }}", add(oneof.name(), &description)));
        }
        for field in oneof.fields() {
            let rules = rules::of_field(&field, &mut self.patterns)?;
            let variant = names::upper_camel(field.name());
            if let Kind::Message(inner) = field.kind() {
                if let Some(recurse) = self.recurse(&inner, &format!("at.field({:?})", field.name())) {
                    arms.push(format!("Some({kind}::{variant}(inner)) => {{ {recurse} }}"));
                }
                continue;
            }
            let checks = value_checks(&field, &rules);
            if !checks.is_empty() {
                let deref = if matches!(field.kind(), Kind::String | Kind::Bytes) { "&**" } else { "*" };
                arms.push(format!(
                    "Some({kind}::{variant}(value)) => {{ let value = {deref}value; {checks} }}"
                ));
            }
        }
        if arms.is_empty() {
            return Ok(String::new());
        }
        // Members without rules pass, and so does none of them.
        if arms.len() <= oneof.fields().len() {
            arms.push("_ => {}".to_owned());
        }
        Ok(format!("match &self.{} {{\n{}\n}}\n", names::snake(oneof.name()), arms.join("\n")))
    }

    /// `required` on a member of a oneof: that member, no other, must be set.
    fn required_member(
        &self,
        field: &FieldDescriptor,
        oneof: &OneofDescriptor,
        rules: &FieldRules,
    ) -> String {
        if !rules.required {
            return String::new();
        }
        let kind = names::oneof(self.module, oneof.parent_message(), oneof.name());
        let (place, variant) = (names::snake(oneof.name()), names::upper_camel(field.name()));
        let missing = add(field.name(), "is required");
        format!("if !matches!(self.{place}, Some({kind}::{variant}(_))) {{ {missing} }}\n")
    }

    /// The call that checks the message `inner`; none for types that other crates own.
    fn recurse(&self, message: &MessageDescriptor, path: &str) -> Option<String> {
        (self.is_chosen)(&message.parent_file()).then(|| format!("inner.validate(&{path}, found);"))
    }
}

/// The checks of one scalar that is bound to `value`.
fn value_checks(field: &FieldDescriptor, rules: &FieldRules) -> String {
    let mut checks = conditions(field, &rules.checks);
    if matches!(field.kind(), Kind::String) {
        let told = add(field.name(), UNCLEAN);
        checks.push_str(&format!("if value.contains('\\0') {{ {told} }}\n"));
    }
    if rules.ignore_zero && !checks.is_empty() {
        return format!("if !({}) {{ {checks} }}", is_zero(&field.kind()));
    }
    checks
}

/// The checks of texts in a list, and of those that are keys and values of a map.
fn texts(field: &FieldDescriptor, place: &str) -> String {
    let name = field.name();
    let check = |text: &str, path: &str, told: &str| {
        format!("if {text}.contains('\\0') {{ found.add_at(&at.{path}, {told:?}); }}\n")
    };
    match field.kind() {
        Kind::String if field.is_list() => {
            let check = check("value", &format!("item({name:?}, index)"), UNCLEAN);
            format!("for (index, value) in {place}.iter().enumerate() {{ {check} }}\n")
        }
        Kind::Message(entry) if field.is_map() => {
            let is_text = |field: FieldDescriptor| matches!(field.kind(), Kind::String);
            let path = format!("entry({name:?}, key)");
            let mut code = String::new();
            if is_text(entry.map_entry_key_field()) {
                let check = check("key", &path, UNCLEAN_KEY);
                code.push_str(&format!("for key in {place}.keys() {{ {check} }}\n"));
            }
            if is_text(entry.map_entry_value_field()) {
                let check = check("value", &path, UNCLEAN);
                code.push_str(&format!("for (key, value) in &{place} {{ {check} }}\n"));
            }
            code
        }
        _ => String::new(),
    }
}

fn conditions(field: &FieldDescriptor, checks: &[Check]) -> String {
    checks
        .iter()
        .map(|check| format!("if {} {{ {} }}\n", check.broken, add(field.name(), &check.description)))
        .collect()
}

fn add(field: &str, description: &str) -> String {
    format!("found.add(at, {field:?}, {description:?});")
}

fn is_zero(kind: &Kind) -> &'static str {
    match kind {
        Kind::String | Kind::Bytes => "value.is_empty()",
        Kind::Bool => "!value",
        Kind::Float | Kind::Double => "value == 0.0",
        _ => "value == 0",
    }
}

/// The error domain of a package: its name without the version.
fn domain(package: &str) -> &str {
    match package.rsplit_once('.') {
        Some((domain, version))
            if version.starts_with('v') && version[1..].starts_with(|c: char| c.is_numeric()) =>
        {
            domain
        }
        _ => package,
    }
}
