//! Observation rows: every fact that was ever applied.

use std::collections::HashSet;

use ambient::Time;
use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{ConnectionTrait, FromQueryResult};
use db::{Keyed, OWNER_TYPES, Owner, Pick, Tx, Walk, select_in};
use uuid::Uuid;

use super::codes;
use super::entity::observation;
use crate::domain::{Observation, Place, What};

/// Which of these facts are there.
///
/// # Errors
/// That the database refused.
pub async fn existing(
    db: &impl ConnectionTrait,
    facts: &[(Owner, Uuid)],
) -> Result<HashSet<(Owner, Uuid)>, db::Error> {
    #[derive(FromQueryResult)]
    struct Found {
        bucket: i32,
        tenant_id: String,
        customer_id: Uuid,
        fact_id: Uuid,
    }
    let [a, b, c] = OWNER_TYPES;
    let select = Keyed {
        table: "observation",
        on: &["bucket", "tenant_id", "customer_id", "fact_id"],
        types: &[a, b, c, ArrayType::Uuid],
        filter: "",
        order: "",
        pick: Pick::All,
        more: "",
    };
    let keys: Vec<_> = facts.iter().map(|(owner, id)| owner.key_with([(*id).into()])).collect();
    let rows: Vec<Found> = select_in(db, select, &keys).await?;
    let key = |row: Found| (Owner::of_row(row.bucket, &row.tenant_id, row.customer_id), row.fact_id);
    Ok(rows.into_iter().map(key).collect())
}

/// Writes new observations.
///
/// # Errors
/// `Constraint` if one of them exists.
pub async fn insert(tx: &Tx, observations: &[(Owner, Observation)]) -> Result<(), db::Error> {
    let rows: Vec<_> = observations.iter().map(|(owner, observation)| row(owner, observation)).collect();
    db::bulk_insert::<observation::Entity>(tx, &rows).await
}

/// Observations of all tenants in the order of their keys, those behind `after`.
///
/// # Errors
/// That the database refused, or `Damaged`.
pub async fn page(
    db: &impl ConnectionTrait,
    after: Option<&(Owner, Observation)>,
    limit: usize,
) -> Result<Vec<(Owner, Observation)>, db::Error> {
    let key = ["bucket", "tenant_id", "customer_id", "fact_id", "ordinal"];
    let walk = Walk { select: "SELECT * FROM observation", key: &key, rows: limit };
    let behind = after.map(|(owner, last)| owner.key_with([last.fact_id.into(), last.ordinal.into()]));
    let rows: Vec<observation::Model> = walk.page(db, behind).await?;
    rows.into_iter().map(domain).collect()
}

fn row(owner: &Owner, observation: &Observation) -> observation::Model {
    let place = place(&observation.what).cloned().unwrap_or_default();
    let (kind, value, label) = written(&observation.what);
    observation::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        customer_id: owner.id(),
        fact_id: observation.fact_id,
        ordinal: observation.ordinal,
        anonymous: observation.anonymous,
        kind,
        value,
        label,
        channel: place.channel,
        touchpoint: place.touchpoint,
        branch_id: place.branch_id,
        staff_id: place.staff_id,
        time: observation.time.micros(),
        order_key: observation.order_key,
    }
}

fn place(what: &What) -> Option<&Place> {
    match what {
        What::Answer { place, .. } | What::Dismissed(place) | What::Unrated(place) => Some(place),
        _ => None,
    }
}

/// The columns `kind`, `value` and `label`.
fn written(what: &What) -> (i32, i64, String) {
    match what {
        What::Answer { metric, value, .. } => (codes::metric(*metric), i64::from(*value), String::new()),
        What::Dismissed(_) => (codes::DISMISSED, 0, String::new()),
        What::Unrated(_) => (codes::UNRATED, 0, String::new()),
        What::Purchase { amount_micros, currency } => (codes::PURCHASE, *amount_micros, currency.clone()),
        What::Visit => (codes::VISIT, 0, String::new()),
        What::Activity => (codes::ACTIVITY, 0, String::new()),
        What::CaseOpened(case) => (codes::CASE_OPENED, 0, case.to_string()),
        What::CaseResolved(case) => (codes::CASE_RESOLVED, 0, case.to_string()),
        What::TierChanged { tier_id, rank } => (codes::TIER_CHANGED, i64::from(*rank), tier_id.clone()),
        What::Redeemed { points, reward_id } => (codes::REDEEMED, *points, reward_id.clone()),
        What::Enrolled(program_id) => (codes::ENROLLED, 0, program_id.clone()),
    }
}

fn domain(row: observation::Model) -> Result<(Owner, Observation), db::Error> {
    let owner = Owner::of_row(row.bucket, &row.tenant_id, row.customer_id);
    let damaged = || db::Error::Damaged(format!("observation of {}", row.fact_id));
    let number = i32::try_from(row.value);
    let case = Uuid::try_parse(&row.label);
    let place = Place {
        channel: row.channel,
        touchpoint: row.touchpoint,
        branch_id: row.branch_id,
        staff_id: row.staff_id,
    };
    let what = match row.kind {
        codes::DISMISSED => What::Dismissed(place),
        codes::UNRATED => What::Unrated(place),
        codes::PURCHASE => What::Purchase { amount_micros: row.value, currency: row.label },
        codes::VISIT => What::Visit,
        codes::ACTIVITY => What::Activity,
        codes::CASE_OPENED => What::CaseOpened(case.map_err(|_| damaged())?),
        codes::CASE_RESOLVED => What::CaseResolved(case.map_err(|_| damaged())?),
        codes::TIER_CHANGED => What::TierChanged { tier_id: row.label, rank: number.map_err(|_| damaged())? },
        codes::REDEEMED => What::Redeemed { points: row.value, reward_id: row.label },
        codes::ENROLLED => What::Enrolled(row.label),
        kind => {
            let metric = codes::metric_of(kind).ok_or_else(damaged)?;
            What::Answer { metric, value: number.map_err(|_| damaged())?, place }
        }
    };
    let observation = Observation {
        fact_id: row.fact_id,
        ordinal: row.ordinal,
        order_key: row.order_key,
        anonymous: row.anonymous,
        time: Time::from_micros(row.time),
        what,
    };
    Ok((owner, observation))
}
