//! Points that count for caps, by wallet and by program.

use std::collections::{BTreeMap, BTreeSet};

use db::sea_orm::ConnectionTrait;
use db::sea_orm::sea_query::ArrayType;
use db::{Keyed, Owner, Tenant, Tx, Writes, select_in};

use super::entity::{program_counter, wallet_counter};
use crate::domain::rules::{CapOf, Counter};

/// Whose points are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Wallet(Owner),
    Program(Tenant, String),
}

/// One counter of a wallet or of its program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    whose: Whose,
    counter: Counter,
}

/// Counters as they were read, and as they are to be written.
#[derive(Debug, Default)]
pub struct Counters {
    points: BTreeMap<Key, i64>,
    changed: BTreeSet<Key>,
}

impl Key {
    /// A counter that a wallet of this program counts under.
    pub fn new(owner: &Owner, program_id: &str, counter: Counter) -> Key {
        let whose = match counter.of {
            CapOf::Member => Whose::Wallet(owner.clone()),
            CapOf::Program => Whose::Program(owner.tenant().clone(), program_id.to_owned()),
        };
        Key { whose, counter }
    }
}

impl Counters {
    /// Reads counters.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn read(db: &impl ConnectionTrait, wanted: &BTreeSet<Key>) -> Result<Counters, db::Error> {
        let mut points = of_wallets(db, wanted).await?;
        points.extend(of_programs(db, wanted, false).await?);
        Ok(Counters { points, changed: BTreeSet::new() })
    }

    /// Reads counters of wallets that are locked, and counters of programs, which are locked until the
    /// transaction ends in the order of their keys and made if they do not exist.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn lock(tx: &Tx, wanted: &BTreeSet<Key>) -> Result<Counters, db::Error> {
        let mut points = of_wallets(tx, wanted).await?;
        let of_program = |key: &&Key| matches!(key.whose, Whose::Program(..));
        let found = of_programs(tx, wanted, true).await?;
        if wanted.iter().filter(of_program).all(|key| found.contains_key(key)) {
            points.extend(found);
        } else {
            let rows = wanted.iter().filter(|key| !found.contains_key(*key)).map(|key| (key, 0));
            let rows: Vec<program_counter::Model> = rows.filter_map(program_row).collect();
            db::bulk_upsert::<program_counter::Entity>(tx, &rows, "ON CONFLICT DO NOTHING").await?;
            points.extend(of_programs(tx, wanted, true).await?);
        }
        Ok(Counters { points, changed: BTreeSet::new() })
    }

    /// What was counted under these; 0 under what was never counted.
    pub fn used(&self, keys: Vec<Key>) -> BTreeMap<Counter, i64> {
        let of = |key: Key| {
            let points = self.points.get(&key).copied().unwrap_or(0);
            (key.counter, points)
        };
        keys.into_iter().map(of).collect()
    }

    /// Counts points, or takes them off again if they are negative.
    pub fn add(&mut self, key: Key, points: i64) {
        let counted = self.points.entry(key.clone()).or_default();
        *counted = counted.saturating_add(points);
        self.changed.insert(key);
    }

    /// Adds what changed to what is written.
    ///
    /// # Errors
    /// As [`Writes::upsert`].
    pub(super) fn write(&self, writes: &mut Writes) -> Result<(), db::Error> {
        const OF_WALLET: &str = "ON CONFLICT (bucket, tenant_id, wallet_id, name, period_start) \
             DO UPDATE SET points = excluded.points";
        const OF_PROGRAM: &str = "ON CONFLICT (tenant_id, program_id, name, period_start) \
             DO UPDATE SET points = excluded.points";
        let changed = || self.points.iter().filter(|(key, _)| self.changed.contains(*key));
        let wallets: Vec<_> = changed().filter_map(|(key, points)| wallet_row(key, *points)).collect();
        let programs: Vec<_> = changed().filter_map(|(key, points)| program_row((key, *points))).collect();
        writes.upsert::<wallet_counter::Entity>(&wallets, OF_WALLET)?;
        writes.upsert::<program_counter::Entity>(&programs, OF_PROGRAM)
    }
}

async fn of_wallets(
    db: &impl ConnectionTrait,
    wanted: &BTreeSet<Key>,
) -> Result<BTreeMap<Key, i64>, db::Error> {
    let select = Keyed {
        table: "wallet_counter",
        on: &["bucket", "tenant_id", "wallet_id", "name", "period_start"],
        types: &[ArrayType::Int, ArrayType::String, ArrayType::Uuid, ArrayType::String, ArrayType::Int],
        filter: "",
        order: "",
        first: None,
        lock: false,
        more: "",
    };
    let keys = wanted.iter().filter_map(|key| match &key.whose {
        Whose::Wallet(owner) => {
            Some(owner.key_with([key.counter.name.as_str().into(), key.counter.period_start.into()]))
        }
        Whose::Program(..) => None,
    });
    let rows: Vec<wallet_counter::Model> = select_in(db, select, &keys.collect::<Vec<_>>()).await?;
    let found = rows.into_iter().map(|row| {
        let whose = Whose::Wallet(Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id));
        let counter = Counter { of: CapOf::Member, name: row.name, period_start: row.period_start };
        (Key { whose, counter }, row.points)
    });
    Ok(found.collect())
}

async fn of_programs(
    db: &impl ConnectionTrait,
    wanted: &BTreeSet<Key>,
    lock: bool,
) -> Result<BTreeMap<Key, i64>, db::Error> {
    let select = Keyed {
        table: "program_counter",
        on: &["tenant_id", "program_id", "name", "period_start"],
        types: &[ArrayType::String, ArrayType::String, ArrayType::String, ArrayType::Int],
        filter: "",
        order: "t.tenant_id, t.program_id, t.name, t.period_start",
        first: None,
        lock,
        more: "",
    };
    let keys = wanted.iter().filter_map(|key| match &key.whose {
        Whose::Program(tenant, program_id) => Some(vec![
            tenant.id().into(),
            program_id.as_str().into(),
            key.counter.name.as_str().into(),
            key.counter.period_start.into(),
        ]),
        Whose::Wallet(_) => None,
    });
    let rows: Vec<program_counter::Model> = select_in(db, select, &keys.collect::<Vec<_>>()).await?;
    let found = rows.into_iter().map(|row| {
        let whose = Whose::Program(Tenant::new(&row.tenant_id), row.program_id);
        let counter = Counter { of: CapOf::Program, name: row.name, period_start: row.period_start };
        (Key { whose, counter }, row.points)
    });
    Ok(found.collect())
}

fn wallet_row(key: &Key, points: i64) -> Option<wallet_counter::Model> {
    let Whose::Wallet(owner) = &key.whose else { return None };
    Some(wallet_counter::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        wallet_id: owner.id(),
        name: key.counter.name.clone(),
        period_start: key.counter.period_start,
        points,
    })
}

fn program_row((key, points): (&Key, i64)) -> Option<program_counter::Model> {
    let Whose::Program(tenant, program_id) = &key.whose else { return None };
    Some(program_counter::Model {
        tenant_id: tenant.id().to_owned(),
        program_id: program_id.clone(),
        name: key.counter.name.clone(),
        period_start: key.counter.period_start,
        points,
    })
}
