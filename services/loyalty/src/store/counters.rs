//! Points that count for caps and limits, by wallet and by program. Those of a wallet are kept by the member
//! in whose name they were counted, with whom they go: the wallet's counter is their sum. What activities
//! count in one name and period is one row, so that one which many rules cap changes few. Each reward has
//! rows of its own: there may be many, and few of them are redeemed at a time.

use std::collections::{BTreeMap, BTreeSet};

use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{ConnectionTrait, DbBackend};
use db::{Keyed, Owner, Pick, Tenant, Tx, Writes, select_in};
use uuid::Uuid;

use super::entity::{member_count, program_counter};
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

/// A wallet, the first day of a period, and the name of the counter if it has a row of its own.
type Place = (Owner, i32, String);

/// Points by the names of their counters.
type Counted = BTreeMap<String, i64>;

/// By the members in whose names they were counted.
type OfWallets = BTreeMap<Place, BTreeMap<Uuid, Counted>>;

type OfPrograms = BTreeMap<Key, i64>;

/// Counters as they were read, and as they are to be written.
#[derive(Debug, Default)]
pub struct Counters {
    wallets: OfWallets,
    programs: OfPrograms,
    changed: BTreeMap<(Place, Uuid), BTreeSet<String>>,
    changed_programs: BTreeSet<Key>,
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

fn place(owner: &Owner, counter: &Counter) -> Place {
    let is_of_reward = counter.name.starts_with("reward:");
    let name = if is_of_reward { counter.name.clone() } else { String::new() };
    (owner.clone(), counter.period_start, name)
}

impl Counters {
    /// Reads counters.
    ///
    /// # Errors
    /// That the database refused, or `Damaged` for a row that does not make sense.
    pub async fn read(db: &impl ConnectionTrait, wanted: &BTreeSet<Key>) -> Result<Counters, db::Error> {
        let wallets = of_wallets(db, wanted).await?;
        let programs = of_programs(db, wanted, Pick::All).await?;
        Ok(Counters { wallets, programs, ..Counters::default() })
    }

    /// Reads counters of wallets that are locked, and counters of programs, which are locked until the
    /// transaction ends in the order of their keys and made if they do not exist.
    ///
    /// # Errors
    /// As [`Counters::read`].
    pub async fn lock(tx: &Tx, wanted: &BTreeSet<Key>) -> Result<Counters, db::Error> {
        let wallets = of_wallets(tx, wanted).await?;
        let mut programs = of_programs(tx, wanted, Pick::Locked).await?;
        let of_program = |key: &&Key| matches!(key.whose, Whose::Program(..));
        if !wanted.iter().filter(of_program).all(|key| programs.contains_key(key)) {
            let rows = wanted.iter().filter(|key| !programs.contains_key(*key)).map(|key| (key, 0));
            let rows: Vec<program_counter::Model> = rows.filter_map(program_row).collect();
            db::bulk_upsert::<program_counter::Entity>(tx, &rows, "ON CONFLICT DO NOTHING").await?;
            programs = of_programs(tx, wanted, Pick::Locked).await?;
        }
        Ok(Counters { wallets, programs, ..Counters::default() })
    }

    /// What was counted under these; 0 under what was never counted.
    pub fn used(&self, keys: Vec<Key>) -> BTreeMap<Counter, i64> {
        let of = |key: Key| {
            let points = self.points(&key);
            (key.counter, points)
        };
        keys.into_iter().map(of).collect()
    }

    fn points(&self, key: &Key) -> i64 {
        let Whose::Wallet(owner) = &key.whose else { return self.programs.get(key).copied().unwrap_or(0) };
        let names = self.wallets.get(&place(owner, &key.counter)).into_iter().flat_map(BTreeMap::values);
        let counted = names.filter_map(|counted| counted.get(&key.counter.name));
        counted.fold(0, |sum: i64, points| sum.saturating_add(*points))
    }

    /// Counts points in a member's name, or takes them off again if they are negative. What the member's name
    /// does not have is taken off the wallet's own: it was counted before names were kept.
    pub fn add(&mut self, key: &Key, member_id: Uuid, points: i64) {
        match &key.whose {
            Whose::Wallet(owner) => {
                let missing = self.add_to(owner, &key.counter, member_id, points);
                self.add_to(owner, &key.counter, owner.id(), missing);
            }
            Whose::Program(..) => {
                let counted = self.programs.entry(key.clone()).or_default();
                let sum = counted.saturating_add(points).max(0);
                if sum != *counted {
                    *counted = sum;
                    self.changed_programs.insert(key.clone());
                }
            }
        }
    }

    /// Returns what could not be taken off what is counted in this name.
    fn add_to(&mut self, owner: &Owner, counter: &Counter, name: Uuid, points: i64) -> i64 {
        let place = place(owner, counter);
        let names = self.wallets.entry(place.clone()).or_default();
        let counted = names.entry(name).or_default().entry(counter.name.clone()).or_default();
        let sum = counted.saturating_add(points);
        if sum.max(0) != *counted {
            *counted = sum.max(0);
            self.changed.entry((place, name)).or_default().insert(counter.name.clone());
        }
        sum.min(0)
    }

    /// Adds what changed to what is written.
    ///
    /// # Errors
    /// As [`Writes::upsert`].
    pub(super) fn write(&self, writes: &mut Writes) -> Result<(), db::Error> {
        const OF_PROGRAM: &str = "ON CONFLICT (tenant_id, program_id, name, period_start) \
             DO UPDATE SET points = excluded.points";
        let members: Vec<_> = self
            .changed
            .iter()
            .map(|((place, name), changed)| self.member_row(place, *name, changed))
            .collect();
        writes.upsert::<member_count::Entity>(&members, of_member(writes.backend()))?;
        let points = |key: &Key| self.programs.get(key).copied();
        let programs = self.changed_programs.iter().filter_map(|key| Some((key, points(key)?)));
        let programs: Vec<_> = programs.filter_map(program_row).collect();
        writes.upsert::<program_counter::Entity>(&programs, OF_PROGRAM)
    }

    /// What changed in one name and period.
    fn member_row(&self, place: &Place, name: Uuid, changed: &BTreeSet<String>) -> member_count::Model {
        let (owner, period_start, row_name) = place;
        let counted = self.wallets.get(place).and_then(|names| names.get(&name)).into_iter().flatten();
        let counted: BTreeMap<&String, i64> = counted
            .filter(|(counter, _)| changed.contains(*counter))
            .map(|(c, points)| (c, *points))
            .collect();
        member_count::Model {
            bucket: owner.bucket(),
            tenant_id: owner.tenant().id().to_owned(),
            wallet_id: owner.id(),
            period_start: *period_start,
            name: row_name.clone(),
            member_id: name,
            counted: serde_json::to_string(&counted).unwrap_or_default(),
        }
    }
}

/// What changed takes the place of what was counted under the same names.
fn of_member(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => {
            "ON CONFLICT (bucket, tenant_id, wallet_id, period_start, name, member_id) \
             DO UPDATE SET counted = json_patch(member_count.counted, excluded.counted)"
        }
        _ => {
            "ON CONFLICT (bucket, tenant_id, wallet_id, period_start, name, member_id) \
             DO UPDATE SET counted = CAST(CAST(member_count.counted AS JSONB) \
             || CAST(excluded.counted AS JSONB) AS TEXT)"
        }
    }
}

async fn of_wallets(db: &impl ConnectionTrait, wanted: &BTreeSet<Key>) -> Result<OfWallets, db::Error> {
    let select = Keyed {
        table: "member_count",
        on: &["bucket", "tenant_id", "wallet_id", "period_start", "name"],
        types: &[ArrayType::Int, ArrayType::String, ArrayType::Uuid, ArrayType::Int, ArrayType::String],
        filter: "",
        order: "",
        pick: Pick::All,
        more: "",
    };
    let of_wallet = |key: &Key| match &key.whose {
        Whose::Wallet(owner) => Some(place(owner, &key.counter)),
        Whose::Program(..) => None,
    };
    let places: BTreeSet<Place> = wanted.iter().filter_map(of_wallet).collect();
    let keys = places.into_iter().map(|(owner, start, name)| owner.key_with([start.into(), name.into()]));
    let rows: Vec<member_count::Model> = select_in(db, select, &keys.collect::<Vec<_>>()).await?;
    let mut found = OfWallets::new();
    for row in rows {
        let damaged = |_| db::Error::Damaged(format!("what member {} counted", row.member_id));
        let counted: Counted = serde_json::from_str(&row.counted).map_err(damaged)?;
        let owner = Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id);
        let names = found.entry((owner, row.period_start, row.name)).or_default();
        names.insert(row.member_id, counted);
    }
    Ok(found)
}

async fn of_programs(
    db: &impl ConnectionTrait,
    wanted: &BTreeSet<Key>,
    pick: Pick,
) -> Result<OfPrograms, db::Error> {
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
        (Key { whose, counter }, row.points)
    });
    Ok(found.collect())
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

    fn key(of: CapOf, name: &str) -> Key {
        let counter = Counter { of, name: name.into(), period_start: 20_260_505 };
        Key::new(&Owner::new(&Tenant::new("default"), HOME), "club", counter)
    }

    /// The rows that are to be written, by their names.
    fn rows(counters: &Counters) -> Vec<(Uuid, String)> {
        let row = |((place, name), changed): (&(Place, Uuid), &BTreeSet<String>)| {
            (*name, counters.member_row(place, *name, changed).counted)
        };
        counters.changed.iter().map(row).collect()
    }

    #[test]
    fn a_wallet_has_what_is_in_the_names_of_its_members() {
        let (mut counters, key) = (Counters::default(), key(CapOf::Member, "rule:a"));
        counters.add(&key, ANNA, 60);
        counters.add(&key, BEN, 40);
        counters.add(&key, ANNA, -50);
        let expected = [(ANNA, r#"{"rule:a":10}"#), (BEN, r#"{"rule:a":40}"#)];
        assert_eq!(rows(&counters), expected.map(|(name, counted)| (name, counted.to_owned())));
        assert_eq!(counters.used(vec![key.clone()]), BTreeMap::from([(key.counter, 50)]));
    }

    #[test]
    fn what_is_missing_in_a_name_is_taken_off_what_was_counted_before() {
        let (mut counters, key) = (Counters::default(), key(CapOf::Member, "rule:a"));
        let place = place(&Owner::new(&Tenant::new("default"), HOME), &key.counter);
        let of = |points| Counted::from([("rule:a".to_owned(), points)]);
        counters.wallets.insert(place, BTreeMap::from([(BEN, of(7)), (HOME, of(30))]));
        counters.add(&key, ANNA, 10);
        counters.add(&key, ANNA, -25);
        let expected = |anna, home| {
            [(ANNA, anna), (HOME, home)].map(|(name, points)| (name, format!("{{\"rule:a\":{points}}}")))
        };
        assert_eq!(rows(&counters), expected(0, 15));
        counters.add(&key, ANNA, -25);
        assert_eq!(rows(&counters), expected(0, 0), "nobody else's is taken");
        assert_eq!(counters.used(vec![key.clone()]), BTreeMap::from([(key.counter, 7)]));
    }

    #[test]
    fn what_changed_under_several_counters_is_one_row() {
        let mut counters = Counters::default();
        for (name, points) in [("rule:a", 5), ("rule:b", 7), ("rule:c", 0)] {
            counters.add(&key(CapOf::Member, name), ANNA, points);
        }
        counters.add(&key(CapOf::Member, "reward:mug:day"), ANNA, 1);
        let expected = [r#"{"rule:a":5,"rule:b":7}"#, r#"{"reward:mug:day":1}"#];
        assert_eq!(rows(&counters), expected.map(|counted| (ANNA, counted.to_owned())), "but of rewards");
        assert_eq!(counters.used(vec![key(CapOf::Member, "rule:b")]).into_values().sum::<i64>(), 7);
    }

    #[test]
    fn what_a_program_counts_is_in_nobodys_name() {
        let (mut counters, key) = (Counters::default(), key(CapOf::Program, "rule:a"));
        counters.add(&key, ANNA, 60);
        counters.add(&key, BEN, -20);
        assert_eq!((counters.programs.get(&key), rows(&counters)), (Some(&40), Vec::new()));
        assert!(counters.changed_programs.contains(&key));
    }
}
