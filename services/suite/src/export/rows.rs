//! A message as a row: with the names of the API, words for enumerations, RFC 3339 for moments, nothing for
//! what is unset.

use std::collections::BTreeMap;

use ambient::Time;
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value as Json;

use super::columns::LEFT_OUT;
use crate::programs::word;

/// A row.
#[derive(Debug)]
pub(super) struct Row(DynamicMessage);

impl Row {
    /// Of a message of this type, named by the last part of its full name; `None` if there is no such type.
    pub(super) fn of(name: &str, message: &impl Message) -> Option<Row> {
        let of = proto::message_of(&format!("rapport.loyalty.v1.{name}"))?;
        DynamicMessage::decode(of, message.encode_to_vec().as_slice()).ok().map(Row)
    }

    /// The value of a field, or of a field of a field with a dot in between, as it stands in a cell.
    pub(super) fn cell(&self, column: &str) -> Cell {
        find(&self.0, column)
    }
}

fn find(message: &DynamicMessage, column: &str) -> Cell {
    if let Some((outer, inner)) = column.split_once('.') {
        return match message.get_field_by_name(outer).as_deref() {
            Some(Value::Message(found)) => find(found, inner),
            _ => Cell::Said(String::new()),
        };
    }
    let field = message.descriptor().get_field_by_name(column);
    field.map_or_else(|| Cell::Said(String::new()), |field| cell(message, &field))
}

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// A text that somebody else made.
    Text(String),
    /// What is written here: a number, a word, a moment, JSON.
    Said(String),
}

fn cell(message: &DynamicMessage, field: &FieldDescriptor) -> Cell {
    let value = message.get_field(field);
    let shown = Shown { field, value: &value, is_set: message.has_field(field) };
    match (serde_json::to_value(&shown), &*value) {
        (Ok(Json::String(text)), Value::String(_)) => Cell::Text(text),
        (Ok(Json::String(text)), _) => Cell::Said(text),
        (Ok(Json::Null) | Err(_), _) => Cell::Said(String::new()),
        (Ok(Json::Array(items)), _) if items.is_empty() => Cell::Said(String::new()),
        (Ok(Json::Object(fields)), _) if fields.is_empty() => Cell::Said(String::new()),
        (Ok(_), _) => Cell::Said(serde_json::to_string(&shown).unwrap_or_default()),
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fields(&self.0, serializer)
    }
}

fn fields<S: Serializer>(message: &DynamicMessage, serializer: S) -> Result<S::Ok, S::Error> {
    let of = message.descriptor();
    let mut map = serializer.serialize_map(None)?;
    for field in of.fields().filter(|field| !LEFT_OUT.contains(&field.name())) {
        let (value, is_set) = (message.get_field(&field), message.has_field(&field));
        map.serialize_entry(field.name(), &Shown { field: &field, value: &value, is_set })?;
    }
    map.end()
}

/// A value of a field.
struct Shown<'a> {
    field: &'a FieldDescriptor,
    value: &'a Value,
    is_set: bool,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let each = |value| Shown { value, is_set: true, ..*self };
        match self.value {
            Value::Bool(yes) => serializer.serialize_bool(*yes),
            Value::I32(number) => serializer.serialize_i32(*number),
            Value::I64(number) => serializer.serialize_i64(*number),
            Value::String(text) => serializer.serialize_str(text),
            Value::EnumNumber(number) => serializer.serialize_str(&word_of(&self.field.kind(), *number)),
            Value::List(items) => serializer.collect_seq(items.iter().map(each)),
            Value::Map(entries) => {
                let field = self.field.kind();
                let field = field.as_message().map(|entry| entry.map_entry_value_field());
                let field = field.as_ref().unwrap_or(self.field);
                // In the order of the keys: the map itself has none.
                let sorted: BTreeMap<_, _> = entries.iter().collect();
                serializer.collect_map(sorted.into_iter().map(|(key, value)| {
                    (key.as_str().unwrap_or_default(), Shown { field, value, is_set: true })
                }))
            }
            Value::Message(_) if !self.is_set => serializer.serialize_none(),
            Value::Message(message) if message.descriptor().full_name() == "google.protobuf.Timestamp" => {
                serializer.serialize_some(&moment(message))
            }
            Value::Message(message) => fields(message, serializer),
            // No message that is exported has others.
            value => serializer.serialize_str(&value.to_string()),
        }
    }
}

fn moment(message: &DynamicMessage) -> Option<String> {
    let at: prost_types::Timestamp = message.transcode_to().ok()?;
    Time::from_parts(at.seconds, at.nanos).map(|time| time.to_string())
}

/// The word of an enumeration; empty for none.
fn word_of(kind: &Kind, number: i32) -> String {
    let Kind::Enum(of) = kind else { return number.to_string() };
    match of.get_value(number) {
        Some(_) if number == 0 => String::new(),
        Some(value) => word(of, value.name()),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proto::google::r#type::Date;
    use proto::rapport::loyalty::v1 as pb;

    use super::*;

    fn member() -> Row {
        let profile = pb::MemberProfile {
            display_name: "=cmd, \"Åse\"\nØ 🎉".into(),
            emails: vec!["a@b.example".into()],
            attributes: [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())].into(),
            consents: [("mail".to_owned(), false)].into(),
            birthday: Some(Date { year: 0, month: 2, day: 29 }),
            ..Default::default()
        };
        let member = pb::Member {
            member_id: "m".into(),
            state: pb::MemberState::Active.into(),
            create_time: Some(prost_types::Timestamp { seconds: 1, nanos: 500_000_000 }),
            profile: Some(profile),
            ..Default::default()
        };
        Row::of("Member", &member).unwrap()
    }

    #[test]
    fn a_row_is_a_line_with_every_field() {
        let line = serde_json::to_string(&member()).unwrap();
        let expected = "{\"member_id\":\"m\",\"program_id\":\"\",\"external_id\":\"\",\"wallet_id\":\"\",\
            \"state\":\"active\",\"create_time\":\"1970-01-01T00:00:01.500Z\",\
            \"profile\":{\"display_name\":\"=cmd, \\\"Åse\\\"\\nØ 🎉\",\"emails\":[\"a@b.example\"],\
            \"phones\":[],\"attributes\":{\"a\":\"1\",\"b\":\"2\"},\"locale\":\"\",\"time_zone\":\"\",\
            \"birthday\":{\"year\":0,\"month\":2,\"day\":29},\"consents\":{\"mail\":false}},\
            \"update_time\":null,\"etag\":\"\",\"referral_code\":\"\",\"referred_by\":\"\",\
            \"merged_into\":\"\",\"household_role\":\"\"}";
        assert_eq!(line, expected);
    }

    #[test]
    fn a_cell_has_a_text_or_what_is_said() {
        let row = member();
        let said = |text: &str| Cell::Said(text.to_owned());
        assert_eq!(row.cell("profile.display_name"), Cell::Text("=cmd, \"Åse\"\nØ 🎉".into()));
        assert_eq!(row.cell("profile.emails"), said("[\"a@b.example\"]"));
        assert_eq!(row.cell("profile.attributes"), said("{\"a\":\"1\",\"b\":\"2\"}"));
        assert_eq!(row.cell("profile.birthday"), said("{\"year\":0,\"month\":2,\"day\":29}"));
        assert_eq!(row.cell("state"), said("active"));
        assert_eq!(row.cell("create_time"), said("1970-01-01T00:00:01.500Z"));
        for unset in ["update_time", "household_role", "profile.phones", "nowhere", "nowhere.at_all"] {
            assert_eq!(row.cell(unset), said(""), "{unset}");
        }
        let posting = pb::Posting { seq: i64::MAX, reason: 1, debit_account: 5, ..Default::default() };
        let posting = Row::of("Posting", &posting).unwrap();
        let cells = ["seq", "points", "reason", "debit_account"].map(|column| posting.cell(column));
        assert_eq!(cells, ["9223372036854775807", "0", "earn", "issued"].map(said));
    }
}
