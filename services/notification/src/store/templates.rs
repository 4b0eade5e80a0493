//! Template rows, and what the service ships where a tenant has none of its own.

use std::collections::{BTreeMap, HashMap};

use ambient::Time;
use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use db::{Keyed, Pick, Tenant, Tx, select_in};
use serde::{Deserialize, Serialize};

use super::entity::template;
use crate::domain::{Datum, Shipped, Template, Variable};

/// A template of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Whose.
    pub tenant: Tenant,
    /// Which.
    pub template_id: String,
}

#[derive(Serialize, Deserialize)]
struct StoredVariable {
    name: String,
    sample: StoredDatum,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredDatum {
    Text(String),
    Number(i64),
}

/// The newest version of each of these templates; the shipped one where the tenant has none.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn newest(db: &impl ConnectionTrait, keys: &[Key]) -> Result<HashMap<Key, Template>, db::Error> {
    let select = Keyed {
        table: "template",
        on: &["tenant_id", "template_id"],
        types: &[ArrayType::String, ArrayType::String],
        filter: "",
        order: "t.version DESC",
        pick: Pick::First(1),
        more: "",
    };
    let values: Vec<_> =
        keys.iter().map(|key| vec![key.tenant.id().into(), key.template_id.as_str().into()]).collect();
    let rows: Vec<template::Model> = select_in(db, select, &values).await?;
    let shipped = keys.iter().filter_map(|key| Some((key.clone(), Shipped::from_id(&key.template_id)?)));
    let mut found: HashMap<Key, Template> = shipped.map(|(key, s)| (key, s.template())).collect();
    for row in rows {
        let key = Key { tenant: Tenant::new(&row.tenant_id), template_id: row.template_id.clone() };
        found.insert(key, domain(row)?);
    }
    Ok(found)
}

/// One version of a template; 0 means the newest.
///
/// # Errors
/// As [`newest`].
pub async fn find(db: &impl ConnectionTrait, key: &Key, version: i64) -> Result<Option<Template>, db::Error> {
    if version == 0 {
        return Ok(newest(db, std::slice::from_ref(key)).await?.remove(key));
    }
    let id = (key.tenant.id().to_owned(), key.template_id.clone(), version);
    let own = template::Entity::find_by_id(id).one(db).await?.map(domain).transpose()?;
    let shipped = Shipped::from_id(&key.template_id).map(Shipped::template);
    Ok(own.or(shipped.filter(|shipped| shipped.version == version)))
}

/// One page of a tenant's templates after the given id, by id, each in its newest version.
///
/// # Errors
/// As [`newest`].
pub async fn page(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    after: &str,
    limit: u64,
) -> Result<Vec<Template>, db::Error> {
    let own: Vec<String> = template::Entity::find()
        .select_only()
        .column(template::Column::TemplateId)
        .distinct()
        .filter(template::Column::TenantId.eq(tenant.id()))
        .into_tuple()
        .all(db)
        .await?;
    // Sorted here: a database may sort texts in its own way, and the shipped ones are not in it.
    let shipped = Shipped::ALL.into_iter().map(|shipped| shipped.id().to_owned());
    let all: BTreeMap<String, Key> = own
        .into_iter()
        .chain(shipped)
        .filter(|id| id.as_str() > after)
        .map(|id| (id.clone(), Key { tenant: tenant.clone(), template_id: id }))
        .collect();
    let keys: Vec<Key> = all.into_values().take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
    let mut found = newest(db, &keys).await?;
    Ok(keys.iter().filter_map(|key| found.remove(key)).collect())
}

/// Writes a new version.
///
/// # Errors
/// `Constraint` if it exists.
pub async fn insert(tx: &Tx, tenant: &Tenant, template: &Template) -> Result<(), db::Error> {
    let variables: Vec<StoredVariable> = template.variables.iter().map(stored).collect();
    let told = |e: serde_json::Error| db::Error::Damaged(format!("template {}: {e}", template.id));
    let row = template::Model {
        tenant_id: tenant.id().to_owned(),
        template_id: template.id.clone(),
        version: template.version,
        subject: template.subject.clone(),
        body: template.body.clone(),
        variables: serde_json::to_string(&variables).map_err(told)?,
        create_time: template.create_time.micros(),
    };
    db::bulk_insert::<template::Entity>(tx, &[row]).await
}

fn stored(variable: &Variable) -> StoredVariable {
    let sample = match &variable.sample {
        Datum::Text(text) => StoredDatum::Text(text.clone()),
        Datum::Number(number) => StoredDatum::Number(*number),
    };
    StoredVariable { name: variable.name.clone(), sample }
}

fn domain(row: template::Model) -> Result<Template, db::Error> {
    let damaged = |_| db::Error::Damaged(format!("template {}: variables", row.template_id));
    let stored: Vec<StoredVariable> = serde_json::from_str(&row.variables).map_err(damaged)?;
    let variable = |v: StoredVariable| Variable {
        name: v.name,
        sample: match v.sample {
            StoredDatum::Text(text) => Datum::Text(text),
            StoredDatum::Number(number) => Datum::Number(number),
        },
    };
    Ok(Template {
        variables: stored.into_iter().map(variable).collect(),
        id: row.template_id,
        version: row.version,
        subject: row.subject,
        body: row.body,
        create_time: Time::from_micros(row.create_time),
    })
}
