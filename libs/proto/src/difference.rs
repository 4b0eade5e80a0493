//! Tells in which field two encoded messages differ.

use std::collections::BTreeSet;

use prost_reflect::{DynamicMessage, FieldDescriptor, MapKey, ReflectMessage as _, Value};

use crate::descriptors::POOL;

/// Stands for the whole message when no field can be named.
const WHOLE: &str = "*";

/// The dotted path of the first field, by number, in which two encoded messages of type `message_full_name`
/// differ, such as `activity.amount.units` or `requests[3].member_id`; a field this build does not know is
/// named by its number. `None` if they mean the same, however they were encoded; `*` if they differ and the
/// type is unknown or one of them cannot be decoded.
pub fn first_difference(message_full_name: &str, a: &[u8], b: &[u8]) -> Option<String> {
    if a == b {
        return None;
    }
    let decode = |bytes| DynamicMessage::decode(POOL.get_message_by_name(message_full_name)?, bytes).ok();
    match (decode(a), decode(b)) {
        (Some(a), Some(b)) => in_messages(&a, &b).map(|path| path.join(".")),
        (None, _) | (_, None) => Some(WHOLE.to_owned()),
    }
}

type Segments = Vec<String>;

fn in_messages(a: &DynamicMessage, b: &DynamicMessage) -> Option<Segments> {
    let mut fields: Vec<FieldDescriptor> = a.descriptor().fields().collect();
    fields.sort_by_key(FieldDescriptor::number);
    fields.iter().find_map(|field| in_field(field, a, b)).or_else(|| in_unknown_fields(a, b))
}

fn in_field(field: &FieldDescriptor, a: &DynamicMessage, b: &DynamicMessage) -> Option<Segments> {
    let name = field.name();
    if a.has_field(field) != b.has_field(field) && !field.is_list() && !field.is_map() {
        return Some(vec![name.to_owned()]);
    }
    in_containers(name, &a.get_field(field), &b.get_field(field))
}

fn in_containers(name: &str, a: &Value, b: &Value) -> Option<Segments> {
    match (a, b) {
        (Value::List(a), Value::List(b)) => {
            let mut shared = a.iter().zip(b).enumerate();
            shared
                .find_map(|(index, (a, b))| in_values(format!("{name}[{index}]"), a, b))
                .or_else(|| (a.len() != b.len()).then(|| vec![format!("{name}[{}]", a.len().min(b.len()))]))
        }
        (Value::Map(a), Value::Map(b)) => {
            let keys: BTreeSet<&MapKey> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| {
                let here = format!("{name}[{}]", Value::from(key.clone()));
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => in_values(here, a, b),
                    (None, _) | (_, None) => Some(vec![here]),
                }
            })
        }
        (a, b) => in_values(name.to_owned(), a, b),
    }
}

fn in_values(here: String, a: &Value, b: &Value) -> Option<Segments> {
    match (a, b) {
        (Value::Message(a), Value::Message(b)) => in_messages(a, b).map(|mut below| {
            below.insert(0, here);
            below
        }),
        (a, b) => (a != b).then(|| vec![here]),
    }
}

fn in_unknown_fields(a: &DynamicMessage, b: &DynamicMessage) -> Option<Segments> {
    let numbers: BTreeSet<u32> =
        a.unknown_fields().chain(b.unknown_fields()).map(|field| field.number()).collect();
    numbers.into_iter().find_map(|number| {
        let of = |message: &DynamicMessage| {
            message.unknown_fields().filter(|field| field.number() == number).cloned().collect::<Vec<_>>()
        };
        (of(a) != of(b)).then(|| vec![number.to_string()])
    })
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::google::r#type::Money;
    use crate::rapport::loyalty::v1::{
        Activity, BatchRecordActivitiesRequest, LookupMemberRequest, RecordActivityRequest,
        lookup_member_request::Key,
    };

    const RECORD: &str = "rapport.loyalty.v1.RecordActivityRequest";
    const BATCH: &str = "rapport.loyalty.v1.BatchRecordActivitiesRequest";
    const LOOKUP: &str = "rapport.loyalty.v1.LookupMemberRequest";

    fn request(member_id: &str, units: i64, points: i64) -> RecordActivityRequest {
        let amount = Some(Money { units, ..Money::default() });
        let activity = Some(Activity { amount, points, ..Activity::default() });
        RecordActivityRequest { member_id: member_id.into(), activity, ..RecordActivityRequest::default() }
    }

    fn of_requests(a: &RecordActivityRequest, b: &RecordActivityRequest) -> Option<String> {
        first_difference(RECORD, &a.encode_to_vec(), &b.encode_to_vec())
    }

    #[test]
    fn the_first_field_by_number_is_named_by_its_path() {
        let base = request("a", 1, 5);
        assert_eq!(of_requests(&base, &base), None);
        assert_eq!(of_requests(&base, &request("a", 2, 6)).as_deref(), Some("activity.amount.units"));
        assert_eq!(of_requests(&base, &request("a", 1, 6)).as_deref(), Some("activity.points"));
        assert_eq!(of_requests(&base, &request("b", 2, 6)).as_deref(), Some("member_id"));
        let bare = RecordActivityRequest { activity: None, ..base.clone() };
        assert_eq!(of_requests(&base, &bare).as_deref(), Some("activity"));
        let empty = RecordActivityRequest { activity: Some(Activity::default()), ..base.clone() };
        assert_eq!(of_requests(&empty, &bare).as_deref(), Some("activity"));
    }

    #[test]
    fn items_are_compared_one_by_one_and_then_counted() {
        let batch = |members: &[&str]| {
            let requests = members.iter().map(|member| request(member, 1, 1)).collect();
            BatchRecordActivitiesRequest { requests, mode: 0 }.encode_to_vec()
        };
        let between = |a: &[&str], b: &[&str]| first_difference(BATCH, &batch(a), &batch(b));
        assert_eq!(between(&["a", "b", "c"], &["a", "x"]).as_deref(), Some("requests[1].member_id"));
        assert_eq!(between(&["a", "b"], &["a"]).as_deref(), Some("requests[1]"));
        assert_eq!(between(&[], &["a"]).as_deref(), Some("requests[0]"));
    }

    #[test]
    fn maps_are_compared_by_key() {
        let field_of = |map: &[(&str, i64)]| {
            let entries =
                map.iter().map(|(key, value)| (MapKey::String((*key).to_owned()), Value::I64(*value)));
            Value::Map(entries.collect())
        };
        let (a, b) = (field_of(&[("x", 1), ("y", 2)]), field_of(&[("x", 1), ("y", 3)]));
        assert_eq!(in_containers("m", &a, &b), Some(vec![r#"m["y"]"#.to_owned()]));
        assert_eq!(in_containers("m", &a, &field_of(&[("y", 2)])), Some(vec![r#"m["x"]"#.to_owned()]));
        assert_eq!(in_containers("m", &a, &a), None);
    }

    #[test]
    fn presence_counts_even_for_zero_values() {
        let lookup = |key| LookupMemberRequest { program_id: "p".into(), key }.encode_to_vec();
        let empty = lookup(Some(Key::ExternalId(String::new())));
        assert_eq!(first_difference(LOOKUP, &lookup(None), &empty).as_deref(), Some("external_id"));
    }

    #[test]
    fn encodings_of_the_same_message_do_not_differ() {
        let fields_in_reverse = b"\x12\x01m\x0a\x01r";
        assert_eq!(first_difference(RECORD, b"\x0a\x01r\x12\x01m", fields_in_reverse), None);
    }

    #[test]
    fn what_cannot_be_named_is_still_a_difference() {
        assert_eq!(first_difference(RECORD, b"\x78\x01", b"\x78\x02").as_deref(), Some("15"));
        assert_eq!(first_difference(RECORD, b"\xff", b"\xff"), None);
        assert_eq!(first_difference(RECORD, b"\xff", b"").as_deref(), Some("*"));
        assert_eq!(first_difference("rapport.Unknown", b"a", b"b").as_deref(), Some("*"));
    }
}
