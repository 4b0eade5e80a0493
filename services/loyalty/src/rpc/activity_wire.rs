//! The wire's shape of an activity, in both directions.

use std::collections::BTreeMap;

use ambient::Time;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use uuid::Uuid;

use super::wire::{amount, money, time, timestamp, uuid, uuid_text};
use crate::domain::rules::{ATTRIBUTES_MAX, LineItem};
use crate::domain::{
    Activity, ActivityKind, ActivityRef, Detail, Earning, Line, Money, Program, RecordActivity,
};

/// Longest key of an attribute, in characters.
const KEY_CHARS_MAX: usize = 64;
/// Longest value of an attribute, in characters.
const VALUE_CHARS_MAX: usize = 200;

/// Kinds of activities, from a field.
pub(super) fn kinds(
    given: &[i32],
    path: &Path<'_>,
    field: &'static str,
    found: &mut Violations,
) -> Option<Vec<ActivityKind>> {
    let kinds: Option<Vec<_>> = given.iter().map(|number| ActivityKind::from_number(*number)).collect();
    if kinds.is_none() {
        found.add(path, field, "must be known types");
    }
    kinds
}

/// What is to be recorded, from a field.
pub(super) fn recorded(
    given: &pb::Activity,
    (activity_id, member_id): (Uuid, Uuid),
    path: &Path<'_>,
    found: &mut Violations,
) -> RecordActivity {
    let kind = ActivityKind::from_number(given.r#type);
    if kind.is_none() {
        found.add(path, "type", "must be a known type");
    }
    if kind == Some(ActivityKind::Purchase) && given.amount.is_none() {
        found.add(path, "amount", "is required for a purchase");
    }
    let occurred_time: Option<Time> = time(given.occurred_time, path, "occurred_time", found);
    let amount = amount(given.amount.as_ref(), path, "amount", found);
    if given.amount.is_none() && !given.items.is_empty() {
        found.add(path, "amount", "is required with items");
    }
    let line = |(n, item): (usize, &pb::LineItem)| line(item, amount, &path.item("items", n), found);
    let lines = given.items.iter().enumerate().map(line).collect();
    RecordActivity {
        activity_id,
        member_id,
        kind: kind.unwrap_or(ActivityKind::Custom),
        occurred_time,
        amount,
        external_id: given.external_id.clone(),
        detail: Detail {
            lines,
            location: given.location.clone(),
            attributes: attributes(&given.attributes, path, found),
        },
    }
}

fn line(given: &pb::LineItem, paid: Option<Money>, path: &Path<'_>, found: &mut Violations) -> Line {
    let amount = amount(given.amount.as_ref(), path, "amount", found);
    if let (Some(amount), Some(paid)) = (amount, paid)
        && amount.currency != paid.currency
    {
        found.add(path, "amount", "must be in the currency of the activity's amount");
    }
    let item = LineItem {
        sku: given.sku.clone(),
        category: given.category.clone(),
        quantity: given.quantity.max(1),
        amount_micros: amount.map_or(0, |amount| amount.micros),
    };
    Line { item, returned: 0 }
}

fn attributes(
    given: &BTreeMap<String, String>,
    path: &Path<'_>,
    found: &mut Violations,
) -> BTreeMap<String, String> {
    if given.len() as u64 > ATTRIBUTES_MAX {
        found.add(path, "attributes", format!("must have at most {ATTRIBUTES_MAX} entries"));
    }
    for (key, value) in given {
        if !(1..=KEY_CHARS_MAX).contains(&key.chars().count()) {
            found.add(path, "attributes", format!("must have keys of 1 to {KEY_CHARS_MAX} characters"));
        } else if value.chars().count() > VALUE_CHARS_MAX {
            let told = format!("must have values of at most {VALUE_CHARS_MAX} characters, as under `{key}`");
            found.add(path, "attributes", told);
        }
    }
    given.clone()
}

/// An activity as it is now.
pub(crate) fn activity_message(program: &Program, activity: &Activity) -> pb::Activity {
    let main = activity.main();
    let earning = |earning: &Earning| pb::Earning {
        currency_code: program.code_of(earning.purse).to_owned(),
        points: earning.points,
        points_reversed: earning.reversed,
        points_outstanding: activity.points_outstanding(earning.purse),
    };
    let amount = |micros: i64| activity.amount.map(|amount| money(Money { micros, ..amount }));
    let item = |line: &Line| pb::LineItem {
        sku: line.item.sku.clone(),
        category: line.item.category.clone(),
        quantity: line.item.quantity,
        amount: amount(line.item.amount_micros),
        quantity_returned: line.returned,
    };
    pb::Activity {
        activity_id: uuid_text(activity.id),
        r#type: activity.kind as i32,
        occurred_time: Some(timestamp(activity.occurred_time)),
        amount: activity.amount.map(money),
        external_id: activity.external_id.clone(),
        points: main.points,
        state: activity.state as i32,
        points_reversed: main.reversed,
        amount_returned: amount(activity.returned_micros),
        member_id: uuid_text(activity.member_id),
        items: activity.detail.lines.iter().map(item).collect(),
        location: activity.detail.location.clone(),
        attributes: activity.detail.attributes.clone(),
        further_points: activity.further().iter().map(earning).collect(),
        credits: activity.credits,
        points_outstanding: activity.points_outstanding(0),
    }
}

/// The activity that a request names by one of its two keys.
pub(super) fn activity_ref(activity_id: &str, external_id: &str, found: &mut Violations) -> ActivityRef {
    if activity_id.is_empty() {
        ActivityRef::External(external_id.to_owned())
    } else {
        ActivityRef::Id(uuid(activity_id, &Path::ROOT, "activity_id", found))
    }
}
