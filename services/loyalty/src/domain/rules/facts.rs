//! What conditions know: the activity as it is or as it would be, and the tier it happened in.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ambient::Time;
use cel::Value;
use serde::{Deserialize, Serialize};

use super::super::ActivityKind;
use super::condition::map_of;

/// Line items that an activity has at most.
pub const ITEMS_MAX: u64 = 200;
/// Attributes that an activity has at most.
pub const ATTRIBUTES_MAX: u64 = 50;

/// One line of a purchase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineItem {
    /// Stock keeping unit; may be empty.
    pub sku: String,
    /// What rules filter by; may be empty.
    pub category: String,
    /// How many; positive.
    pub quantity: i64,
    /// What all of them cost together, in millionths of the currency's unit; never negative.
    pub amount_micros: i64,
}

/// What an activity is to rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts<'a> {
    /// What kind.
    pub kind: ActivityKind,
    /// When.
    pub at: Time,
    /// What was paid, in millionths of the currency's unit.
    pub amount_micros: i64,
    /// For what.
    pub items: Vec<LineItem>,
    /// The caller's own key.
    pub external_id: &'a str,
    /// Where.
    pub location: &'a str,
    /// Whatever else the caller told.
    pub attributes: &'a BTreeMap<String, String>,
    /// The tier at that moment.
    pub tier_id: &'a str,
    /// Its position, from 1; 0 without tiers.
    pub tier_rank: u32,
    /// What that tier makes of points, in percent; at least 100.
    pub earn_percent: i64,
    /// Who did it, if a rule asks.
    pub member: Option<&'a MemberFacts>,
}

/// What a member is to rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberFacts {
    /// The caller's own key.
    pub external_id: String,
    /// Whatever else is known.
    pub attributes: BTreeMap<String, String>,
    /// BCP 47 tag; may be empty.
    pub locale: String,
    /// IANA name; may be empty.
    pub time_zone: String,
    /// From 1; 0 if it is not known.
    pub birth_month: u32,
    /// From 1; 0 if it is not known.
    pub birth_day: u32,
    /// When the member was enrolled, in microseconds.
    pub join_micros: i64,
}

/// Names and values.
pub(super) type Asked = Vec<(&'static str, Value)>;

impl Facts<'_> {
    /// As conditions see them.
    pub(super) fn asked(&self) -> Asked {
        let items: Vec<Value> = self.items.iter().map(LineItem::value).collect();
        let at = Value::Timestamp(self.at.utc().fixed_offset());
        let activity = record([
            ("type", Value::from(self.kind.name())),
            ("amount", number(self.amount_micros)),
            ("external_id", Value::from(self.external_id)),
            ("location", Value::from(self.location)),
            ("attributes", map_of(self.attributes)),
            ("occurred_time", at.clone()),
            ("items", Value::List(Arc::new(items))),
        ]);
        let tier = tier_value(self.tier_id, self.tier_rank);
        let known = vec![("activity", activity), ("tier", tier), ("now", at)];
        known.into_iter().chain(self.member.map(|member| ("member", member.value()))).collect()
    }
}

impl MemberFacts {
    pub(super) fn value(&self) -> Value {
        let joined = Time::from_micros(self.join_micros);
        record([
            ("external_id", Value::from(self.external_id.as_str())),
            ("attributes", map_of(&self.attributes)),
            ("locale", Value::from(self.locale.as_str())),
            ("time_zone", Value::from(self.time_zone.as_str())),
            ("birth_month", Value::Int(self.birth_month.into())),
            ("birth_day", Value::Int(self.birth_day.into())),
            ("join_time", Value::Timestamp(joined.utc().fixed_offset())),
        ])
    }
}

impl LineItem {
    pub(super) fn value(&self) -> Value {
        record([
            ("sku", Value::from(self.sku.as_str())),
            ("category", Value::from(self.category.as_str())),
            ("quantity", Value::Int(self.quantity)),
            ("amount", number(self.amount_micros)),
        ])
    }
}

pub(super) fn tier_value(id: &str, rank: u32) -> Value {
    record([("id", Value::from(id)), ("rank", Value::Int(i64::from(rank)))])
}

fn record<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    Value::from(fields.into_iter().collect::<HashMap<&'static str, Value>>())
}

/// Units of the currency. Division by a million is exact to the last bit that a literal of six decimals has,
/// so comparisons with literals are exact; points are never counted from it.
#[expect(clippy::cast_precision_loss, reason = "amounts are below 2^53 millionths")]
fn number(micros: i64) -> Value {
    Value::Float(micros as f64 / 1_000_000.0)
}
