//! Reward rows, version by version, their stock and the pools of their codes.

use std::collections::{BTreeMap, HashMap, HashSet};

use ambient::Time;
use db::sea_orm::sea_query::{ArrayType, Expr};
use db::sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};
use db::{Keyed, Pick, Tenant, Tx, select_in};
use serde::{Deserialize, Serialize};

use super::entity::{reward, reward_code, reward_stock, reward_version};
use super::redemptions;
use crate::domain::{Money, Price, Reward, RewardTerms, Stock, Supply};

/// A reward of a program of a tenant. Sorts in the order in which stock rows are locked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Whose.
    pub tenant: Tenant,
    /// Of which program.
    pub program_id: String,
    /// Which.
    pub reward_id: String,
}

/// A stock that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Units that were added so far, less those that were taken out of the shop.
    pub added: i64,
    /// Units left.
    pub remaining: i64,
    /// Codes of its pool that are handed out.
    pub codes_out: i64,
}

/// What redemptions take from a stock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Units; they go back if there are fewer than none.
    pub units: i64,
    /// Codes that are handed out.
    pub codes: i64,
}

/// What few rewards have, stored as JSON; empty if there is nothing of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Detail {
    money: Option<Money>,
    terms: RewardTerms,
}

impl Key {
    /// The key of a reward.
    pub fn new(tenant: &Tenant, program_id: &str, reward_id: &str) -> Key {
        let (program_id, reward_id) = (program_id.to_owned(), reward_id.to_owned());
        Key { tenant: tenant.clone(), program_id, reward_id }
    }

    fn values(&self) -> Vec<db::sea_orm::Value> {
        vec![self.tenant.id().into(), self.program_id.as_str().into(), self.reward_id.as_str().into()]
    }

    fn id(&self) -> (String, String, String) {
        (self.tenant.id().to_owned(), self.program_id.clone(), self.reward_id.clone())
    }
}

const KEY: [&str; 3] = ["tenant_id", "program_id", "reward_id"];
const KEY_TYPES: [ArrayType; 3] = [ArrayType::String, ArrayType::String, ArrayType::String];

/// Finds one reward as it is now.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn find(db: &impl ConnectionTrait, key: &Key) -> Result<Option<Reward>, db::Error> {
    reward::Entity::find_by_id(key.id()).one(db).await?.map(domain).transpose()
}

/// Finds one reward as it was in an earlier version.
///
/// # Errors
/// As [`find`].
pub async fn find_version(
    db: &impl ConnectionTrait,
    key: &Key,
    version: i64,
) -> Result<Option<Reward>, db::Error> {
    let Some(now) = reward::Entity::find_by_id(key.id()).one(db).await? else { return Ok(None) };
    if now.version == version {
        return domain(now).map(Some);
    }
    let (tenant_id, program_id, reward_id) = key.id();
    let then =
        reward_version::Entity::find_by_id((tenant_id, program_id, reward_id, version)).one(db).await?;
    let then = then.map(|then| reward::Model {
        version: then.version,
        display_name: then.display_name,
        price_points: then.price_points,
        currency: then.currency,
        detail: then.detail,
        ..now
    });
    then.map(domain).transpose()
}

/// One page of a program's rewards after the given id, by id.
///
/// # Errors
/// As [`find`].
pub async fn page(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    program_id: &str,
    after: &str,
    limit: u64,
) -> Result<Vec<Reward>, db::Error> {
    let rows = reward::Entity::find()
        .filter(reward::Column::TenantId.eq(tenant.id()))
        .filter(reward::Column::ProgramId.eq(program_id))
        .filter(reward::Column::RewardId.gt(after))
        .order_by_asc(reward::Column::RewardId)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(domain).collect()
}

/// Writes a new reward with its stock.
///
/// # Errors
/// `Constraint` if it exists.
pub async fn insert(tx: &Tx, tenant: &Tenant, reward: &Reward, stock: Stock) -> Result<(), db::Error> {
    db::bulk_insert::<reward::Entity>(tx, &[row(tenant, reward)?]).await?;
    if let Stock::Remaining(remaining) = stock {
        let row = reward_stock::Model {
            tenant_id: tenant.id().to_owned(),
            program_id: reward.program_id.clone(),
            reward_id: reward.id.clone(),
            added: remaining,
            remaining,
            codes_out: 0,
        };
        db::bulk_insert::<reward_stock::Entity>(tx, &[row]).await?;
    }
    Ok(())
}

/// Writes another version of a reward, and keeps what it was `before`. The program is locked.
///
/// # Errors
/// That the database refused.
pub async fn update(tx: &Tx, tenant: &Tenant, before: &Reward, reward: &Reward) -> Result<(), db::Error> {
    use reward::Column as C;
    const CHANGING: [C; 5] = [C::DisplayName, C::PricePoints, C::Currency, C::Detail, C::Version];
    let was = row(tenant, before)?;
    let was = reward_version::Model {
        tenant_id: was.tenant_id,
        program_id: was.program_id,
        reward_id: was.reward_id,
        version: was.version,
        display_name: was.display_name,
        price_points: was.price_points,
        currency: was.currency,
        detail: was.detail,
    };
    db::bulk_insert::<reward_version::Entity>(tx, &[was]).await?;
    db::bulk_update::<reward::Entity>(tx, &[row(tenant, reward)?], &CHANGING).await
}

/// Reads the stock of rewards that have any; if they are locked, until the transaction ends.
///
/// # Errors
/// That the database refused.
pub async fn stock(
    db: &impl ConnectionTrait,
    keys: &[Key],
    pick: Pick,
) -> Result<HashMap<Key, Counted>, db::Error> {
    let select = Keyed {
        table: "reward_stock",
        on: &KEY,
        types: &KEY_TYPES,
        filter: "",
        order: "t.tenant_id, t.program_id, t.reward_id",
        pick,
        more: "",
    };
    let keys: Vec<_> = keys.iter().map(Key::values).collect();
    let rows: Vec<reward_stock::Model> = select_in(db, select, &keys).await?;
    let found = rows.into_iter().map(|row| {
        let (tenant, added) = (Tenant::new(&row.tenant_id), row.added);
        let key = Key { tenant, program_id: row.program_id, reward_id: row.reward_id };
        (key, Counted { added, remaining: row.remaining, codes_out: row.codes_out })
    });
    Ok(found.collect())
}

/// The stock of each of these rewards of one program at `now`, with what goes back because holds are over.
///
/// # Errors
/// As [`stock`].
pub async fn on_offer(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    rewards: &[Reward],
    now: Time,
) -> Result<Vec<Stock>, db::Error> {
    let counted: Vec<&Reward> = rewards.iter().filter(|one| one.supply != Supply::Unlimited).collect();
    let keys: Vec<Key> = counted.iter().map(|one| Key::new(tenant, &one.program_id, &one.id)).collect();
    let found = stock(db, &keys, Pick::All).await?;
    let back = redemptions::overdue_units(db, &keys, now).await?;
    let left = |one: &Reward| {
        let key = Key::new(tenant, &one.program_id, &one.id);
        let back = back.get(&one.id).copied().unwrap_or(0);
        found.get(&key).map_or(Stock::Unlimited, |of| Stock::Remaining(of.remaining.saturating_add(back)))
    };
    Ok(rewards.iter().map(left).collect())
}

/// Takes units that were redeemed from stock rows. The rows are locked already.
///
/// # Errors
/// `Constraint` if a row would fall below zero.
pub async fn take_stock(tx: &Tx, taken: &BTreeMap<Key, Taken>) -> Result<(), db::Error> {
    for (key, taken) in taken {
        move_stock(tx, key, 0, *taken).await?;
    }
    Ok(())
}

/// Adds units to a stock row, or takes them out of the shop. The row is locked already.
///
/// # Errors
/// `Constraint` if the row would fall below zero.
pub async fn add_stock(tx: &Tx, key: &Key, units: i64) -> Result<(), db::Error> {
    move_stock(tx, key, units, Taken { units: -units, codes: 0 }).await
}

async fn move_stock(tx: &Tx, key: &Key, added: i64, taken: Taken) -> Result<(), db::Error> {
    use reward_stock::Column as C;
    let updated = reward_stock::Entity::update_many()
        .col_expr(C::Added, Expr::col(C::Added).add(added))
        .col_expr(C::Remaining, Expr::col(C::Remaining).sub(taken.units))
        .col_expr(C::CodesOut, Expr::col(C::CodesOut).add(taken.codes))
        .filter(C::TenantId.eq(key.tenant.id()))
        .filter(C::ProgramId.eq(key.program_id.as_str()))
        .filter(C::RewardId.eq(key.reward_id.as_str()))
        .exec(tx)
        .await?;
    match updated.rows_affected {
        1 => Ok(()),
        _ => Err(db::Error::Damaged(format!("reward {} lost its stock row", key.reward_id))),
    }
}

/// The next codes of a pool after those that are handed out, up to so many. The stock row is locked already.
///
/// # Errors
/// That the database refused.
pub async fn codes(tx: &Tx, key: &Key, codes_out: i64, limit: u64) -> Result<Vec<String>, db::Error> {
    use reward_code::Column as C;
    let select = reward_code::Entity::find()
        .select_only()
        .column(C::Code)
        .filter(C::TenantId.eq(key.tenant.id()))
        .filter(C::ProgramId.eq(key.program_id.as_str()))
        .filter(C::RewardId.eq(key.reward_id.as_str()))
        .filter(C::Seq.gt(codes_out))
        .order_by_asc(C::Seq)
        .limit(limit);
    Ok(select.into_tuple().all(tx).await?)
}

/// Adds codes to a pool in their order, but for those that it had before; says how many were added. The stock
/// row is locked already.
///
/// # Errors
/// That the database refused.
pub async fn add_codes(tx: &Tx, key: &Key, stock: Counted, codes: &[String]) -> Result<i64, db::Error> {
    // By the code alone: a plan that is made while the table is empty takes the primary key for as good, and
    // would then read the whole pool for each code.
    let select = Keyed {
        table: "reward_code",
        on: &["code"],
        types: &[ArrayType::String, ArrayType::String, ArrayType::String, ArrayType::String],
        filter: "t.tenant_id || '' = k.c1 AND t.program_id || '' = k.c2 AND t.reward_id || '' = k.c3",
        order: "",
        pick: Pick::All,
        more: "",
    };
    let mut seen = HashSet::new();
    let codes: Vec<&String> = codes.iter().filter(|code| seen.insert(code.as_str())).collect();
    let keys: Vec<_> = codes.iter().map(|code| [vec![code.as_str().into()], key.values()].concat()).collect();
    let found: Vec<reward_code::Model> = select_in(tx, select, &keys).await?;
    let known: HashSet<String> = found.into_iter().map(|row| row.code).collect();
    let fresh = codes.into_iter().filter(|code| !known.contains(*code));
    let numbered = (stock.added.saturating_add(1)..).zip(fresh);
    let rows: Vec<reward_code::Model> = numbered
        .map(|(seq, code)| {
            let (tenant_id, program_id, reward_id) = key.id();
            reward_code::Model { tenant_id, program_id, reward_id, seq, code: code.clone() }
        })
        .collect();
    db::bulk_insert::<reward_code::Entity>(tx, &rows).await?;
    let added = i64::try_from(rows.len()).unwrap_or(0);
    add_stock(tx, key, added).await?;
    Ok(added)
}

fn row(tenant: &Tenant, reward: &Reward) -> Result<reward::Model, db::Error> {
    let told = |e: serde_json::Error| db::Error::Damaged(format!("reward {}: {e}", reward.id));
    let detail = Detail { money: reward.price.money, terms: reward.terms.clone() };
    let detail = if detail == Detail::default() { Ok(String::new()) } else { serde_json::to_string(&detail) };
    Ok(reward::Model {
        tenant_id: tenant.id().to_owned(),
        program_id: reward.program_id.clone(),
        reward_id: reward.id.clone(),
        display_name: reward.display_name.clone(),
        price_points: reward.price.points,
        currency: reward.price.currency.clone(),
        supply: reward.supply as i32,
        detail: detail.map_err(told)?,
        version: reward.version,
        create_time: reward.create_time.micros(),
    })
}

fn domain(row: reward::Model) -> Result<Reward, db::Error> {
    let damaged = |what: &str| db::Error::Damaged(format!("reward {}: {what}", row.reward_id));
    let detail: Detail = match row.detail.as_str() {
        "" => Detail::default(),
        text => serde_json::from_str(text).map_err(|_| damaged("detail"))?,
    };
    Ok(Reward {
        supply: Supply::from_number(row.supply).ok_or_else(|| damaged("supply"))?,
        program_id: row.program_id,
        id: row.reward_id,
        display_name: row.display_name,
        price: Price { money: detail.money, ..Price::of(row.price_points, row.currency) },
        terms: detail.terms,
        version: row.version,
        create_time: Time::from_micros(row.create_time),
    })
}
