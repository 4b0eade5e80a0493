//! How two messages differ, field by field, for people and for machines.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value};
use proto::google::r#type::Money;
use serde::Serialize;

use super::file::{MOMENT, is_set_by_service, word};
use crate::money;

/// One field that is not as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// Where: `rule_set.rules[base].fixed_points`.
    pub(super) path: String,
    /// What is there; none: nothing.
    pub(super) before: Option<String>,
    /// What is wanted; none: nothing.
    pub(super) after: Option<String>,
}

impl Change {
    /// As a line of a list of changes.
    pub(super) fn text(&self) -> String {
        let Change { path, before, after } = self;
        match (before, after) {
            (Some(before), Some(after)) => format!("~ {path}: {before} -> {after}\n"),
            (Some(before), None) => format!("- {path}: {before}\n"),
            (None, Some(after)) => format!("+ {path}: {after}\n"),
            (None, None) => String::new(),
        }
    }
}

/// What of a message of this type, named by the last part of its full name, is to change.
pub(super) fn changes<M: prost::Message>(
    name: &str,
    at: &str,
    before: Option<&M>,
    after: Option<&M>,
) -> Vec<Change> {
    let lines = |message: Option<&M>| {
        let mut lines = BTreeMap::new();
        let of = proto::message_of(&format!("rapport.loyalty.v1.{name}"));
        let bytes = message.map(prost::Message::encode_to_vec);
        if let Some((of, bytes)) = of.zip(bytes)
            && let Ok(message) = DynamicMessage::decode(of, bytes.as_slice())
        {
            write(&message, at, &mut lines);
        }
        lines
    };
    let (mut before, mut after) = (lines(before), lines(after));
    let paths: BTreeSet<String> = before.keys().chain(after.keys()).cloned().collect();
    let change = |path: String| {
        let (before, after) = (before.remove(&path), after.remove(&path));
        (before != after).then_some(Change { path, before, after })
    };
    paths.into_iter().filter_map(change).collect()
}

fn write(message: &DynamicMessage, at: &str, lines: &mut BTreeMap<String, String>) {
    for (field, value) in message.fields() {
        if is_set_by_service(&field) || is_said(&field, value, at) {
            continue;
        }
        let at = format!("{at}.{}", field.name());
        match value {
            Value::List(items) if matches!(field.kind(), Kind::Message(_)) => {
                for (n, item) in items.iter().enumerate() {
                    let name = item.as_message().and_then(name_of).unwrap_or_else(|| n.to_string());
                    write_value(&field, item, &format!("{at}[{name}]"), lines);
                }
            }
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(|item| text_of(&field, item)).collect();
                lines.insert(at, format!("[{}]", items.join(", ")));
            }
            value => write_value(&field, value, &at, lines),
        }
    }
}

/// Whose it is and what it is called stand in the path already.
fn is_said(field: &FieldDescriptor, value: &Value, at: &str) -> bool {
    let name = value.as_str().unwrap_or_default();
    let names_it = field.name() == "reward_id" || (field.number() == 1 && field.name().ends_with("_id"));
    (field.name() == "program_id" && at != "program") || (names_it && at.ends_with(&format!("[{name}]")))
}

fn write_value(field: &FieldDescriptor, value: &Value, at: &str, lines: &mut BTreeMap<String, String>) {
    match value {
        Value::Message(message) if message.descriptor().full_name() == "google.type.Money" => {
            let amount = message
                .transcode_to::<Money>()
                .map(|amount| format!("{} {}", money::text_of(&amount), amount.currency_code));
            lines.insert(at.to_owned(), amount.unwrap_or_default());
        }
        Value::Message(message) if message.descriptor().full_name() == MOMENT => {
            let moment = message.transcode_to::<prost_types::Timestamp>();
            lines.insert(at.to_owned(), moment.map(|moment| moment.to_string()).unwrap_or_default());
        }
        Value::Message(message) => write(message, at, lines),
        value => drop(lines.insert(at.to_owned(), text_of(field, value))),
    }
}

fn text_of(field: &FieldDescriptor, value: &Value) -> String {
    match (field.kind(), value) {
        (Kind::Enum(of), Value::EnumNumber(number)) => {
            of.get_value(*number).map_or_else(|| number.to_string(), |value| word(&of, value.name()))
        }
        (_, Value::String(text)) => format!("{text:?}"),
        (_, Value::Bool(yes)) => yes.to_string(),
        (_, Value::I32(number)) => number.to_string(),
        (_, Value::I64(number)) => number.to_string(),
        (_, value) => value.to_string(),
    }
}

/// The identifier of a message that has one in its first field.
fn name_of(message: &DynamicMessage) -> Option<String> {
    let first = message.descriptor().fields().find(|field| field.number() == 1)?;
    let name = message.get_field(&first).as_str()?.to_owned();
    first.name().ends_with("_id").then_some(name)
}

#[cfg(test)]
mod tests {
    use proto::rapport::loyalty::v1 as pb;

    use super::*;

    fn rule(rule_id: &str, points: i64) -> pb::Rule {
        let effect = Some(pb::rule::Effect::FixedPoints(points));
        let activity_types = vec![pb::ActivityType::Visit.into(), pb::ActivityType::CheckIn.into()];
        pb::Rule { rule_id: rule_id.into(), effect, activity_types, ..pb::Rule::default() }
    }

    fn lines(before: Option<&pb::RuleSet>, after: Option<&pb::RuleSet>) -> String {
        changes("RuleSet", "rule_set", before, after).iter().map(Change::text).collect()
    }

    #[test]
    fn what_has_a_name_is_compared_by_it() {
        let before =
            pb::RuleSet { version: 3, rules: vec![rule("a", 1), rule("b", 2)], ..Default::default() };
        let after = pb::RuleSet { version: 4, rules: vec![rule("b", 5)], ..Default::default() };
        assert_eq!(
            lines(Some(&before), Some(&after)),
            "- rule_set.rules[a].activity_types: [visit, check_in]\n\
             - rule_set.rules[a].fixed_points: 1\n\
             ~ rule_set.rules[b].fixed_points: 2 -> 5\n"
        );
        assert_eq!(lines(Some(&before), Some(&before)), "");
        let grouped = pb::Rule { group_id: "b".into(), ..rule("b", 5) };
        let grouped = pb::RuleSet { rules: vec![grouped], ..Default::default() };
        let told = "+ rule_set.rules[b].group_id: \"b\"\n";
        assert_eq!(lines(Some(&after), Some(&grouped)), told, "though it is called as the rule");
        assert!(
            lines(None, Some(&after)).starts_with("+ rule_set.rules[b].activity_types: [visit, check_in]\n")
        );
    }
}
