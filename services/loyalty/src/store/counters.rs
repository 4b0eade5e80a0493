//! Points that count for caps and limits, by wallet and by program. Those of a wallet are kept by the member
//! in whose name they were counted, with whom they go: the wallet's counter is their sum.

use std::collections::{BTreeMap, BTreeSet};

use db::sea_orm::ConnectionTrait;
use db::sea_orm::sea_query::ArrayType;
use db::{Keyed, Owner, Pick, Tenant, Tx, Writes, select_in};
use uuid::Uuid;

use super::entity::{member_counter, program_counter};
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

/// By the members in whose names they were counted; those of a program in nobody's.
type Rows = BTreeMap<Key, BTreeMap<Uuid, i64>>;

/// Counters as they were read, and as they are to be written.
#[derive(Debug, Default)]
pub struct Counters {
    points: Rows,
    changed: BTreeSet<(Key, Uuid)>,
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
        points.extend(of_programs(db, wanted, Pick::All).await?);
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
        let found = of_programs(tx, wanted, Pick::Locked).await?;
        if wanted.iter().filter(of_program).all(|key| found.contains_key(key)) {
            points.extend(found);
        } else {
            let rows = wanted.iter().filter(|key| !found.contains_key(*key)).map(|key| (key, 0));
            let rows: Vec<program_counter::Model> = rows.filter_map(program_row).collect();
            db::bulk_upsert::<program_counter::Entity>(tx, &rows, "ON CONFLICT DO NOTHING").await?;
            points.extend(of_programs(tx, wanted, Pick::Locked).await?);
        }
        Ok(Counters { points, changed: BTreeSet::new() })
    }

    /// What was counted under these; 0 under what was never counted.
    pub fn used(&self, keys: Vec<Key>) -> BTreeMap<Counter, i64> {
        let of = |key: Key| {
            let rows = self.points.get(&key).into_iter().flat_map(BTreeMap::values);
            (key.counter, rows.fold(0, |sum: i64, points| sum.saturating_add(*points)))
        };
        keys.into_iter().map(of).collect()
    }

    /// Counts points in a member's name, or takes them off again if they are negative. What the member's name
    /// does not have is taken off the wallet's own: it was counted before names were kept.
    pub fn add(&mut self, key: &Key, member_id: Uuid, points: i64) {
        match &key.whose {
            Whose::Wallet(owner) => {
                let missing = self.add_to(key, member_id, points);
                self.add_to(key, owner.id(), missing);
            }
            Whose::Program(..) => {
                self.add_to(key, Uuid::nil(), points);
            }
        }
    }

    /// Returns what could not be taken off this row.
    fn add_to(&mut self, key: &Key, name: Uuid, points: i64) -> i64 {
        let counted = self.points.entry(key.clone()).or_default().entry(name).or_default();
        let sum = counted.saturating_add(points);
        if sum.max(0) != *counted {
            *counted = sum.max(0);
            self.changed.insert((key.clone(), name));
        }
        sum.min(0)
    }

    /// Adds what changed to what is written.
    ///
    /// # Errors
    /// As [`Writes::upsert`].
    pub(super) fn write(&self, writes: &mut Writes) -> Result<(), db::Error> {
        const OF_MEMBER: &str = "ON CONFLICT (bucket, tenant_id, wallet_id, name, period_start, member_id) \
             DO UPDATE SET points = excluded.points";
        const OF_PROGRAM: &str = "ON CONFLICT (tenant_id, program_id, name, period_start) \
             DO UPDATE SET points = excluded.points";
        let points = |key: &Key, name: &Uuid| self.points.get(key)?.get(name).copied();
        let changed = || self.changed.iter().filter_map(|(key, name)| Some((key, *name, points(key, name)?)));
        let members: Vec<_> = changed().filter_map(member_row).collect();
        let programs: Vec<_> = changed().filter_map(|(key, _, points)| program_row((key, points))).collect();
        writes.upsert::<member_counter::Entity>(&members, OF_MEMBER)?;
        writes.upsert::<program_counter::Entity>(&programs, OF_PROGRAM)
    }
}

async fn of_wallets(db: &impl ConnectionTrait, wanted: &BTreeSet<Key>) -> Result<Rows, db::Error> {
    let select = Keyed {
        table: "member_counter",
        on: &["bucket", "tenant_id", "wallet_id", "name", "period_start"],
        types: &[ArrayType::Int, ArrayType::String, ArrayType::Uuid, ArrayType::String, ArrayType::Int],
        filter: "",
        order: "",
        pick: Pick::All,
        more: "",
    };
    let keys = wanted.iter().filter_map(|key| match &key.whose {
        Whose::Wallet(owner) => {
            Some(owner.key_with([key.counter.name.as_str().into(), key.counter.period_start.into()]))
        }
        Whose::Program(..) => None,
    });
    let rows: Vec<member_counter::Model> = select_in(db, select, &keys.collect::<Vec<_>>()).await?;
    let mut found = Rows::new();
    for row in rows {
        let whose = Whose::Wallet(Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id));
        let counter = Counter { of: CapOf::Member, name: row.name, period_start: row.period_start };
        found.entry(Key { whose, counter }).or_default().insert(row.member_id, row.points);
    }
    Ok(found)
}

async fn of_programs(
    db: &impl ConnectionTrait,
    wanted: &BTreeSet<Key>,
    pick: Pick,
) -> Result<Rows, db::Error> {
    let select = Keyed {
        table: "program_counter",
        on: &["tenant_id", "program_id", "name", "period_start"],
        types: &[ArrayType::String, ArrayType::String, ArrayType::String, ArrayType::Int],
        filter: "",
        order: "t.tenant_id, t.program_id, t.name, t.period_start",
        pick,
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
        (Key { whose, counter }, BTreeMap::from([(Uuid::nil(), row.points)]))
    });
    Ok(found.collect())
}

fn member_row((key, member_id, points): (&Key, Uuid, i64)) -> Option<member_counter::Model> {
    let Whose::Wallet(owner) = &key.whose else { return None };
    Some(member_counter::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        wallet_id: owner.id(),
        name: key.counter.name.clone(),
        period_start: key.counter.period_start,
        member_id,
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

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: Uuid = Uuid::from_u128(1);
    const BEN: Uuid = Uuid::from_u128(2);
    const HOME: Uuid = Uuid::from_u128(3);

    fn key(of: CapOf) -> Key {
        let counter = Counter { of, name: "rule:a".into(), period_start: 20_260_505 };
        Key::new(&Owner::new(&Tenant::new("default"), HOME), "club", counter)
    }

    fn rows(counters: &Counters, key: &Key) -> Vec<(Uuid, i64)> {
        let rows = counters.points.get(key).into_iter().flatten();
        rows.filter(|(name, _)| counters.changed.contains(&(key.clone(), **name)))
            .map(|(name, points)| (*name, *points))
            .collect()
    }

    #[test]
    fn a_wallet_has_what_is_in_the_names_of_its_members() {
        let (mut counters, key) = (Counters::default(), key(CapOf::Member));
        counters.add(&key, ANNA, 60);
        counters.add(&key, BEN, 40);
        counters.add(&key, ANNA, -50);
        assert_eq!(rows(&counters, &key), [(ANNA, 10), (BEN, 40)]);
        assert_eq!(counters.used(vec![key.clone()]), BTreeMap::from([(key.counter, 50)]));
    }

    #[test]
    fn what_is_missing_in_a_name_is_taken_off_what_was_counted_before() {
        let (mut counters, key) = (Counters::default(), key(CapOf::Member));
        counters.points.insert(key.clone(), BTreeMap::from([(BEN, 7), (HOME, 30)]));
        counters.add(&key, ANNA, 10);
        counters.add(&key, ANNA, -25);
        assert_eq!(rows(&counters, &key), [(ANNA, 0), (HOME, 15)]);
        counters.add(&key, ANNA, -25);
        assert_eq!(rows(&counters, &key), [(ANNA, 0), (HOME, 0)], "nobody else's is taken");
        assert_eq!(counters.used(vec![key.clone()]), BTreeMap::from([(key.counter, 7)]));
    }

    #[test]
    fn what_a_program_counts_is_in_nobodys_name() {
        let (mut counters, key) = (Counters::default(), key(CapOf::Program));
        counters.add(&key, ANNA, 60);
        counters.add(&key, BEN, -20);
        assert_eq!(rows(&counters, &key), [(Uuid::nil(), 40)]);
    }
}
