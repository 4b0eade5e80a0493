//! Lot rows: loaded in the order of debits, and only as many as a decision needs.

use std::collections::{BTreeMap, HashMap};

use ambient::Time;
use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    Statement,
};
use db::{Keyed, Owner, select_in};

use super::OWNER;
use super::entity::lot;
use crate::domain::{Lot, LotKey};

/// Which open lots of a wallet a decision needs.
#[derive(Clone, Debug)]
pub struct Want {
    /// The wallet.
    pub owner: Owner,
    /// All that expire up to here.
    pub due_until: Time,
    /// As many further ones as hold this many points, and one more.
    pub points: i64,
}

/// Lots per wallet of the first look; each further look takes eight times as many.
const FIRST_LOOK: u32 = 4;
const LOOK_MAX: u32 = 8_192;

/// Loads open lots in the order of debits until every want is met or its wallet has no more.
///
/// # Errors
/// That the database refused.
pub async fn load_open(
    db: &impl ConnectionTrait,
    mut wants: Vec<Want>,
) -> Result<HashMap<Owner, BTreeMap<LotKey, Lot>>, db::Error> {
    const ORDER: &str = "t.expire_time, t.lot_number";
    const AFTER: &str = "t.open = 1 AND (t.expire_time, t.lot_number) > (k.c3, k.c4)";
    const TYPES: [ArrayType; 5] =
        [ArrayType::Int, ArrayType::String, ArrayType::Uuid, ArrayType::BigInt, ArrayType::BigInt];
    let mut loaded: HashMap<Owner, BTreeMap<LotKey, Lot>> = HashMap::new();
    let mut look = FIRST_LOOK;
    while !wants.is_empty() {
        let keys: Vec<_> = wants.iter().map(|want| want.key(loaded.get(&want.owner))).collect();
        let first = Some(look);
        let select = Keyed {
            table: "lot",
            on: &OWNER,
            types: &TYPES,
            filter: AFTER,
            order: ORDER,
            first,
            lock: false,
        };
        let rows: Vec<lot::Model> = select_in(db, select, &keys).await?;
        let mut seen: HashMap<Owner, u32> = HashMap::new();
        for row in rows {
            let owner = Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id);
            *seen.entry(owner.clone()).or_default() += 1;
            let lot = domain(row);
            loaded.entry(owner).or_default().insert(lot.key, lot);
        }
        // A wallet that gave fewer than it was asked for has no more.
        wants.retain(|want| {
            seen.get(&want.owner) == Some(&look)
                && !loaded.get(&want.owner).is_some_and(|lots| want.is_met(lots))
        });
        look = look.saturating_mul(8).min(LOOK_MAX);
    }
    Ok(loaded)
}

impl Want {
    fn key(&self, loaded: Option<&BTreeMap<LotKey, Lot>>) -> Vec<db::sea_orm::Value> {
        let last = loaded.and_then(|lots| lots.last_key_value()).map(|(key, _)| *key);
        let (expire, number) = last.map_or((i64::MIN, 0), |key| (key.expire_time.micros(), key.number));
        self.owner.key_with([expire.into(), number.into()])
    }

    fn is_met(&self, lots: &BTreeMap<LotKey, Lot>) -> bool {
        let later = LotKey { expire_time: self.due_until, number: i64::MAX };
        let living = lots.range(later..).fold(0_i64, |sum, (_, lot)| sum.saturating_add(lot.remaining));
        living > self.points
    }
}

/// One page of a wallet's lots after the given number, by number.
///
/// # Errors
/// That the database refused.
pub async fn page(
    db: &impl ConnectionTrait,
    owner: &Owner,
    after: i64,
    open_only: bool,
    limit: u64,
) -> Result<Vec<Lot>, db::Error> {
    let mut select = lot::Entity::find()
        .filter(lot::Column::Bucket.eq(owner.bucket()))
        .filter(lot::Column::TenantId.eq(owner.tenant().id()))
        .filter(lot::Column::WalletId.eq(owner.id()))
        .filter(lot::Column::LotNumber.gt(after));
    if open_only {
        select = select.filter(lot::Column::Open.eq(1));
    }
    let rows = select.order_by_asc(lot::Column::LotNumber).limit(limit).all(db).await?;
    Ok(rows.into_iter().map(domain).collect())
}

/// A lot's expiry and what it held at some moment.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub struct Held {
    /// When it expires, in microseconds.
    pub expire_time: i64,
    /// Points that it held.
    pub points: i64,
}

/// What each lot that was alive at `at` held then, by expiry: its points without the debits up to then.
///
/// # Errors
/// That the database refused.
pub async fn alive_at(db: &impl ConnectionTrait, owner: &Owner, at: Time) -> Result<Vec<Held>, db::Error> {
    const SQL: &str = "SELECT l.expire_time AS expire_time, l.points \
         - COALESCE((SELECT CAST(SUM(a.points) AS BIGINT) \
         FROM allocation a WHERE a.bucket = l.bucket AND a.tenant_id = l.tenant_id \
         AND a.wallet_id = l.wallet_id \
         AND a.lot_number = l.lot_number AND a.effective_time <= $4), 0) AS points FROM lot l \
         WHERE l.bucket = $1 AND l.tenant_id = $2 AND l.wallet_id = $3 \
         AND l.activate_time <= $4 AND l.expire_time > $4 ORDER BY l.expire_time";
    let values = owner.key_with([at.micros().into()]);
    let statement = Statement::from_sql_and_values(db.get_database_backend(), SQL, values);
    let held = Held::find_by_statement(statement).all(db).await?;
    Ok(held.into_iter().filter(|h| h.points > 0).collect())
}

fn domain(row: lot::Model) -> Lot {
    Lot {
        key: LotKey { expire_time: Time::from_micros(row.expire_time), number: row.lot_number },
        points: row.points,
        remaining: row.remaining,
        activate_time: Time::from_micros(row.activate_time),
        activity_id: row.activity_id,
        rule_version: row.rule_version,
        origin_lot: row.origin_lot,
    }
}

pub(super) fn row(owner: &Owner, lot: &Lot) -> lot::Model {
    lot::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        wallet_id: owner.id(),
        lot_number: lot.key.number,
        points: lot.points,
        remaining: lot.remaining,
        open: i32::from(lot.remaining > 0),
        activate_time: lot.activate_time.micros(),
        expire_time: lot.key.expire_time.micros(),
        activity_id: lot.activity_id,
        rule_version: lot.rule_version,
        origin_lot: lot.origin_lot,
    }
}
