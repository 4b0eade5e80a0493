//! Histogram rows: what was answered in each hour and each day, for each value of each dimension.

use std::collections::BTreeMap;

use db::{Owner, Tenant, Tx};

use super::codes;
use super::entity::histogram;
use crate::domain::{BINS, Dimension, Histogram, Mark, Observation};

/// The length of a row's slot, in hours.
pub(super) const HOUR: i32 = 1;
pub(super) const DAY: i32 = 24;

/// Sorts in the order in which rows are written, and so locked.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    tenant: &'a Tenant,
    series: i32,
    dimension: i32,
    slot_hours: i32,
    slot: i64,
    value: &'a str,
}

/// Counts observations into the rows of their hours and days.
///
/// # Errors
/// That the database refused.
pub async fn add(tx: &Tx, observations: &[(Owner, Observation)]) -> Result<(), db::Error> {
    let mut counted: BTreeMap<Key<'_>, Histogram> = BTreeMap::new();
    for (owner, observation) in observations {
        let Some(mark) = observation.mark() else { continue };
        for (slot_hours, slot) in [(HOUR, observation.hour()), (DAY, observation.day())] {
            for (dimension, value) in values(&mark) {
                let tenant = owner.tenant();
                let series = codes::series(mark.series);
                let key = Key { tenant, series, dimension, slot_hours, slot, value };
                counted.entry(key).or_default().add(mark.bin, 1);
            }
        }
    }
    let rows: Vec<_> = counted.iter().map(|(key, counts)| row(key, counts)).collect();
    db::bulk_upsert::<histogram::Entity>(tx, &rows, &on_conflict()).await
}

/// Every dimension with the value that a mark has there, and all of them together.
fn values<'a>(mark: &Mark<'a>) -> impl Iterator<Item = (i32, &'a str)> {
    let place = mark.place;
    let each = Dimension::ALL.into_iter().map(|one| (codes::dimension(one), one.of(place)));
    std::iter::once((codes::ALL, "")).chain(each)
}

fn on_conflict() -> String {
    let sums: Vec<String> = (0..BINS).map(|i| format!("b{i} = histogram.b{i} + excluded.b{i}")).collect();
    let key = "tenant_id, series, dimension, slot_hours, slot, value";
    format!("ON CONFLICT ({key}) DO UPDATE SET {}", sums.join(", "))
}

fn row(key: &Key<'_>, counts: &Histogram) -> histogram::Model {
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10] = *counts.bins();
    histogram::Model {
        tenant_id: key.tenant.id().to_owned(),
        series: key.series,
        dimension: key.dimension,
        slot_hours: key.slot_hours,
        slot: key.slot,
        value: key.value.to_owned(),
        b0,
        b1,
        b2,
        b3,
        b4,
        b5,
        b6,
        b7,
        b8,
        b9,
        b10,
    }
}
