//! Reward rows, which do not change, and their stock, which does.

use std::collections::{BTreeMap, HashMap};

use ambient::Time;
use db::sea_orm::sea_query::{ArrayType, Expr};
use db::sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};
use db::{Keyed, Tenant, Tx, select_in};

use super::entity::{reward, reward_stock};
use crate::domain::{Reward, Stock};

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

impl Key {
    /// The key of a reward.
    pub fn new(tenant: &Tenant, program_id: &str, reward_id: &str) -> Key {
        let (program_id, reward_id) = (program_id.to_owned(), reward_id.to_owned());
        Key { tenant: tenant.clone(), program_id, reward_id }
    }

    fn values(&self) -> Vec<db::sea_orm::Value> {
        vec![self.tenant.id().into(), self.program_id.as_str().into(), self.reward_id.as_str().into()]
    }
}

const KEY: [&str; 3] = ["tenant_id", "program_id", "reward_id"];
const KEY_TYPES: [ArrayType; 3] = [ArrayType::String, ArrayType::String, ArrayType::String];

/// Finds one reward.
///
/// # Errors
/// That the database refused.
pub async fn find(db: &impl ConnectionTrait, key: &Key) -> Result<Option<Reward>, db::Error> {
    let id = (key.tenant.id().to_owned(), key.program_id.clone(), key.reward_id.clone());
    Ok(reward::Entity::find_by_id(id).one(db).await?.map(domain))
}

/// One page of a program's rewards after the given id, by id.
///
/// # Errors
/// That the database refused.
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
    Ok(rows.into_iter().map(domain).collect())
}

/// Writes a new reward with its stock.
///
/// # Errors
/// `Constraint` if it exists.
pub async fn insert(tx: &Tx, tenant: &Tenant, reward: &Reward, stock: Stock) -> Result<(), db::Error> {
    let row = reward::Model {
        tenant_id: tenant.id().to_owned(),
        program_id: reward.program_id.clone(),
        reward_id: reward.id.clone(),
        display_name: reward.display_name.clone(),
        price_points: reward.price_points,
        currency: reward.currency.clone(),
        counted: reward.counted,
        version: reward.version,
        create_time: reward.create_time.micros(),
    };
    db::bulk_insert::<reward::Entity>(tx, &[row]).await?;
    if let Stock::Remaining(remaining) = stock {
        let row = reward_stock::Model {
            tenant_id: tenant.id().to_owned(),
            program_id: reward.program_id.clone(),
            reward_id: reward.id.clone(),
            added: remaining,
            remaining,
        };
        db::bulk_insert::<reward_stock::Entity>(tx, &[row]).await?;
    }
    Ok(())
}

/// Reads the stock of counted rewards; with `lock`, holds the rows until the transaction ends.
///
/// # Errors
/// That the database refused.
pub async fn stock(
    db: &impl ConnectionTrait,
    keys: &[Key],
    lock: bool,
) -> Result<HashMap<Key, i64>, db::Error> {
    let select = Keyed {
        table: "reward_stock",
        on: &KEY,
        types: &KEY_TYPES,
        filter: "",
        order: "t.tenant_id, t.program_id, t.reward_id",
        first: None,
        lock,
        more: "",
    };
    let keys: Vec<_> = keys.iter().map(Key::values).collect();
    let rows: Vec<reward_stock::Model> = select_in(db, select, &keys).await?;
    let found = rows.into_iter().map(|row| {
        let tenant = Tenant::new(&row.tenant_id);
        (Key { tenant, program_id: row.program_id, reward_id: row.reward_id }, row.remaining)
    });
    Ok(found.collect())
}

/// Takes units that were redeemed from stock rows. The rows are locked already.
///
/// # Errors
/// `Constraint` if a row would fall below zero.
pub async fn take_stock(tx: &Tx, taken: &BTreeMap<Key, i64>) -> Result<(), db::Error> {
    for (key, units) in taken {
        move_stock(tx, key, 0, -units).await?;
    }
    Ok(())
}

/// Adds units to a stock row, or takes them out of the shop. The row is locked already.
///
/// # Errors
/// `Constraint` if the row would fall below zero.
pub async fn add_stock(tx: &Tx, key: &Key, units: i64) -> Result<(), db::Error> {
    move_stock(tx, key, units, units).await
}

async fn move_stock(tx: &Tx, key: &Key, added: i64, remaining: i64) -> Result<(), db::Error> {
    use reward_stock::Column as C;
    let updated = reward_stock::Entity::update_many()
        .col_expr(C::Added, Expr::col(C::Added).add(added))
        .col_expr(C::Remaining, Expr::col(C::Remaining).add(remaining))
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

fn domain(row: reward::Model) -> Reward {
    Reward {
        program_id: row.program_id,
        id: row.reward_id,
        display_name: row.display_name,
        price_points: row.price_points,
        currency: row.currency,
        version: row.version,
        create_time: Time::from_micros(row.create_time),
        counted: row.counted,
    }
}
