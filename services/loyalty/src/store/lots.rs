//! Lot rows: loaded in the order of debits or releases, and only as many as a decision needs.

use std::collections::HashMap;
use std::hash::Hash;

use ambient::Time;
use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    Statement, Value,
};
use db::{Keyed, Owner, Pick, select_in};
use uuid::Uuid;

use super::OWNER;
use super::entity::lot;
use super::spans::{self, Span};
use crate::domain::{Activity, Alive, Lot, LotKey, Origin, Points, Purse, Wallet};

/// Which lots of a wallet a decision needs.
#[derive(Clone, Debug)]
pub struct Want {
    /// The wallet.
    pub owner: Owner,
    /// All that are released or expire up to here.
    pub due_until: Time,
    /// Open ones of these purses.
    pub purses: Vec<OfPurse>,
    /// As many further pending ones, and one more; `None` if the wallet has nothing pending.
    pub pending: Option<usize>,
    /// These, whatever they hold.
    pub numbers: Vec<i64>,
    /// Those that continue lots of these activities, whatever they hold.
    pub activities: Vec<Uuid>,
    /// Those whose points expired then or later and may be given back; `None`: none of them.
    pub expired_since: Option<Time>,
}

/// Which open lots of a purse a decision needs beside those that are due.
#[derive(Clone, Copy, Debug)]
pub struct OfPurse {
    /// Its number.
    pub purse: u32,
    /// What keeps its points from expiring.
    pub alive: Alive,
    /// As many as hold this many points, and one more.
    pub points: i64,
}

impl Want {
    /// What is due at a moment, of a wallet that may have something pending.
    pub fn due(owner: &Owner, wallet: &Wallet, due_until: Time) -> Want {
        let holding = wallet.numbered().filter(|(_, purse)| purse.totals.available > 0);
        let of = |(number, purse): (u32, &Purse)| OfPurse { purse: number, alive: purse.alive, points: 0 };
        let purses = holding.map(of).collect();
        Want { due_until, purses, pending: Some(0), ..Want::nothing(owner) }
    }

    /// No lot of a wallet.
    fn nothing(owner: &Owner) -> Want {
        Want {
            owner: owner.clone(),
            due_until: Time::MIN,
            purses: Vec::new(),
            pending: None,
            numbers: Vec::new(),
            activities: Vec::new(),
            expired_since: None,
        }
    }

    /// Adds lots that cover debits; returns true if there are any.
    pub fn cover(&mut self, debits: &Points) -> bool {
        for purse in &mut self.purses {
            let points = debits.get(&purse.purse).copied().unwrap_or(0);
            purse.points = purse.points.saturating_add(points);
        }
        debits.values().any(|points| *points > 0)
    }
}

/// One look at the lots of a wallet, in one order.
struct Look<'a> {
    want: &'a Want,
    of: OfPurse,
}

impl Look<'_> {
    fn outlives(&self, lot: &Lot) -> bool {
        self.of.alive.lives_until(lot.key.expire_time) > self.want.due_until
    }

    fn place(&self) -> (Owner, u32) {
        (self.want.owner.clone(), self.of.purse)
    }
}

/// Lots per wallet of the first look; each further look takes eight times as many.
const FIRST_LOOK: u32 = 4;
const LOOK_MAX: u32 = 8_192;

/// One order in which lots are looked at.
struct Order {
    columns: &'static str,
    after: &'static str,
    place: fn(&Lot) -> (i64, i64),
    purse: fn(&Lot) -> u32,
    is_met: fn(&Look<'_>, &[Lot]) -> bool,
}

/// Open lots of a purse in the order of debits.
const DEBITS: Order = Order {
    columns: "t.expire_time, t.lot_number",
    after: "t.open = 1 AND t.pending = 0 AND t.purse = k.c3 AND (t.expire_time, t.lot_number) > (k.c4, k.c5)",
    place: |lot| (lot.key.expire_time.micros(), lot.key.number),
    purse: |lot| lot.key.purse,
    is_met: |look, lots| {
        let living = lots.iter().filter(|lot| look.outlives(lot));
        living.fold(0_i64, |sum, lot| sum.saturating_add(lot.remaining)) > look.of.points
    },
};

/// Pending lots of all purses in the order of their release.
const RELEASES: Order = Order {
    columns: "t.activate_time, t.lot_number",
    after: "t.open = 1 AND t.pending = 1 AND (t.activate_time, t.lot_number) > (k.c4, k.c5)",
    place: |lot| (lot.activate_time.micros(), lot.key.number),
    purse: |_| 0,
    is_met: |look, lots| {
        let later = lots.iter().filter(|lot| lot.activate_time > look.want.due_until);
        later.count() > look.want.pending.unwrap_or(0)
    },
};

/// Loads what is wanted.
///
/// # Errors
/// That the database refused.
pub async fn load(
    db: &impl ConnectionTrait,
    wants: Vec<Want>,
) -> Result<HashMap<Owner, Vec<Lot>>, db::Error> {
    let mut loaded = of_numbers(db, &wants).await?;
    of_activities(db, &wants, &mut loaded).await?;
    expired(db, &wants, &mut loaded).await?;
    let whole = OfPurse { purse: 0, alive: Alive::NOTHING, points: 0 };
    let waiting = wants.iter().filter(|want| want.pending.is_some()).map(|want| Look { want, of: whole });
    for ((owner, _), lots) in in_order(db, &RELEASES, waiting.collect()).await? {
        loaded.entry(owner).or_default().extend(lots);
    }
    let holding = wants.iter().flat_map(|want| want.purses.iter().map(move |of| Look { want, of: *of }));
    for ((owner, _), lots) in in_order(db, &DEBITS, holding.collect()).await? {
        loaded.entry(owner).or_default().extend(lots);
    }
    Ok(loaded)
}

/// Lots of a wallet by their numbers.
///
/// # Errors
/// That the database refused.
pub async fn numbered(
    db: &impl ConnectionTrait,
    owner: &Owner,
    numbers: Vec<i64>,
) -> Result<Vec<Lot>, db::Error> {
    let mut lots: Vec<Lot> =
        of_numbers(db, &[Want { numbers, ..Want::nothing(owner) }]).await?.into_values().flatten().collect();
    lots.sort_by_key(|lot| lot.key.number);
    Ok(lots)
}

/// The lots of a wallet that an activity opened, and those that continue others of it.
///
/// # Errors
/// That the database refused.
pub async fn earned(
    db: &impl ConnectionTrait,
    owner: &Owner,
    activity: &Activity,
) -> Result<Vec<Lot>, db::Error> {
    let want = Want { activities: vec![activity.id], ..Want::nothing(owner) };
    let mut continued = HashMap::new();
    of_activities(db, &[want], &mut continued).await?;
    let own = |lot: &Lot| lot.member_id == activity.member_id && !lot.left_behind;
    let continued = continued.into_values().flatten().filter(own);
    let mut lots = numbered(db, owner, activity.lot_numbers().collect()).await?;
    lots.extend(continued);
    lots.sort_by_key(|lot| lot.key.number);
    lots.dedup_by_key(|lot| lot.key.number);
    Ok(lots)
}

async fn of_numbers(
    db: &impl ConnectionTrait,
    wants: &[Want],
) -> Result<HashMap<Owner, Vec<Lot>>, db::Error> {
    let keys = wants
        .iter()
        .flat_map(|want| want.numbers.iter().map(|number| want.owner.key_with([(*number).into()])));
    let mut loaded = HashMap::new();
    let on = &["bucket", "tenant_id", "wallet_id", "lot_number"];
    add(db, (on, ArrayType::BigInt), "", keys.collect(), &mut loaded).await?;
    Ok(loaded)
}

/// Lots that continue those of activities.
async fn of_activities(
    db: &impl ConnectionTrait,
    wants: &[Want],
    loaded: &mut HashMap<Owner, Vec<Lot>>,
) -> Result<(), db::Error> {
    let keys =
        wants.iter().flat_map(|want| want.activities.iter().map(|id| want.owner.key_with([(*id).into()])));
    let on = &["bucket", "tenant_id", "wallet_id", "activity_id"];
    add(db, (on, ArrayType::Uuid), "t.origin_lot > 0", keys.collect(), loaded).await
}

/// Lots whose points expired and may be given back. Rarely asked for: it looks at all lots of the wallet.
async fn expired(
    db: &impl ConnectionTrait,
    wants: &[Want],
    loaded: &mut HashMap<Owner, Vec<Lot>>,
) -> Result<(), db::Error> {
    const GONE: &str = "t.expired > 0 AND t.returned = 0 AND t.left_behind = 0 AND t.expire_time >= k.c3";
    let since = |want: &Want| Some(want.owner.key_with([want.expired_since?.micros().into()]));
    add(db, (&OWNER, ArrayType::BigInt), GONE, wants.iter().filter_map(since).collect(), loaded).await
}

/// Adds lots by keys: of a wallet, and one value more of this type.
async fn add(
    db: &impl ConnectionTrait,
    (on, last): (&[&str], ArrayType),
    filter: &str,
    keys: Vec<Vec<Value>>,
    loaded: &mut HashMap<Owner, Vec<Lot>>,
) -> Result<(), db::Error> {
    let types = &[ArrayType::Int, ArrayType::String, ArrayType::Uuid, last];
    let select = Keyed { table: "lot", on, types, filter, order: "", pick: Pick::All, more: "" };
    gather(select_in(db, select, &keys).await?, loaded, |owner, _| owner);
    Ok(())
}

async fn in_order(
    db: &impl ConnectionTrait,
    order: &Order,
    mut looks: Vec<Look<'_>>,
) -> Result<HashMap<(Owner, u32), Vec<Lot>>, db::Error> {
    const TYPES: [ArrayType; 6] = [
        ArrayType::Int,
        ArrayType::String,
        ArrayType::Uuid,
        ArrayType::Int,
        ArrayType::BigInt,
        ArrayType::BigInt,
    ];
    let mut loaded: HashMap<(Owner, u32), Vec<Lot>> = HashMap::new();
    let mut first = FIRST_LOOK;
    while !looks.is_empty() {
        let key = |look: &Look<'_>| {
            let last = loaded.get(&look.place()).and_then(|lots| lots.last());
            let (moment, number) = last.map_or((i64::MIN, 0), order.place);
            let purse = i32::try_from(look.of.purse).unwrap_or(i32::MAX);
            look.want.owner.key_with([purse.into(), moment.into(), number.into()])
        };
        let keys: Vec<_> = looks.iter().map(key).collect();
        let select = Keyed {
            table: "lot",
            on: &OWNER,
            types: &TYPES,
            filter: order.after,
            order: order.columns,
            pick: Pick::First(first),
            more: "",
        };
        let rows = select_in(db, select, &keys).await?;
        let seen = gather(rows, &mut loaded, |owner, lot| (owner, (order.purse)(lot)));
        // A wallet that gave fewer than it was asked for has no more.
        looks.retain(|look| {
            let lots = loaded.get(&look.place()).map_or(&[][..], Vec::as_slice);
            seen.get(&look.place()) == Some(&first) && !(order.is_met)(look, lots)
        });
        first = first.saturating_mul(8).min(LOOK_MAX);
    }
    Ok(loaded)
}

/// Adds rows to the lots of their places; returns how many each place got.
fn gather<P: Clone + Eq + Hash>(
    rows: Vec<lot::Model>,
    loaded: &mut HashMap<P, Vec<Lot>>,
    place: impl Fn(Owner, &Lot) -> P,
) -> HashMap<P, u32> {
    let mut seen: HashMap<P, u32> = HashMap::new();
    for row in rows {
        let owner = Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id);
        let lot = domain(row);
        let place = place(owner, &lot);
        *seen.entry(place.clone()).or_default() += 1;
        loaded.entry(place).or_default().push(lot);
    }
    seen
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

/// Lots of spans, each with its wallet.
///
/// # Errors
/// That the database refused.
pub async fn of_spans(
    db: &impl ConnectionTrait,
    spans: &[Span],
    open_only: bool,
) -> Result<Vec<(Uuid, Lot)>, db::Error> {
    let open = if open_only { " AND t.open = 1" } else { "" };
    let rows: Vec<lot::Model> = spans::rows(db, ("lot", "lot_number"), spans, open, &[]).await?;
    Ok(rows.into_iter().map(|row| (row.wallet_id, domain(row))).collect())
}

/// A lot's expiry and what it held at some moment.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub struct Held {
    /// Its number.
    pub lot_number: i64,
    /// The purse that it is in.
    pub purse: i32,
    /// When it expires, in microseconds.
    pub expire_time: i64,
    /// Points that it held.
    pub points: i64,
}

impl Held {
    /// True if the purse with this number has it.
    pub fn is_in(&self, purse: u32) -> bool {
        u32::try_from(self.purse) == Ok(purse)
    }
}

/// What each lot holds that may be spent, by expiry.
///
/// # Errors
/// That the database refused.
pub async fn spendable(db: &impl ConnectionTrait, owner: &Owner) -> Result<Vec<Held>, db::Error> {
    const SQL: &str = "SELECT lot_number, purse, expire_time, remaining AS points FROM lot \
         WHERE bucket = $1 AND tenant_id = $2 AND wallet_id = $3 AND open = 1 AND pending = 0 \
         ORDER BY expire_time";
    let statement = Statement::from_sql_and_values(db.get_database_backend(), SQL, owner.key());
    Ok(Held::find_by_statement(statement).all(db).await?)
}

#[derive(FromQueryResult)]
struct Taken {
    lot_number: i64,
    points: i64,
}

/// What each lot that was alive at `at` held then, by expiry: its points without the debits up to then. An
/// open lot lives, whatever its own expiry says.
///
/// # Errors
/// That the database refused.
pub async fn alive_at(db: &impl ConnectionTrait, owner: &Owner, at: Time) -> Result<Vec<Held>, db::Error> {
    const ALIVE: &str = "SELECT lot_number, purse, expire_time, points FROM lot \
         WHERE bucket = $1 AND tenant_id = $2 AND wallet_id = $3 \
         AND activate_time <= $4 AND (expire_time > $4 OR open = 1) ORDER BY expire_time";
    // In the order of postings: all of the wallet's are read once, whatever lots they are of.
    const TAKEN: &str = "SELECT lot_number, \
         CAST(SUM(CASE credit WHEN 1 THEN -points ELSE points END) AS BIGINT) AS points FROM allocation \
         WHERE bucket = $1 AND tenant_id = $2 AND wallet_id = $3 AND effective_time <= $4 \
         GROUP BY lot_number";
    let statement = |sql| {
        Statement::from_sql_and_values(db.get_database_backend(), sql, owner.key_with([at.micros().into()]))
    };
    let mut held = Held::find_by_statement(statement(ALIVE)).all(db).await?;
    let taken = Taken::find_by_statement(statement(TAKEN)).all(db).await?;
    let taken: HashMap<i64, i64> = taken.into_iter().map(|of| (of.lot_number, of.points)).collect();
    for lot in &mut held {
        lot.points = lot.points.saturating_sub(taken.get(&lot.lot_number).copied().unwrap_or(0));
    }
    held.retain(|lot| lot.points > 0);
    Ok(held)
}

pub(super) fn domain(row: lot::Model) -> Lot {
    // Lots of before members could move are their owners'.
    let member_id = if row.member_id.is_nil() { row.wallet_id } else { row.member_id };
    Lot {
        member_id,
        key: LotKey {
            purse: u32::try_from(row.purse).unwrap_or(0),
            expire_time: Time::from_micros(row.expire_time),
            number: row.lot_number,
        },
        points: row.points,
        remaining: row.remaining,
        activate_time: Time::from_micros(row.activate_time),
        activity_id: row.activity_id,
        rule_version: row.rule_version,
        origin: (row.origin_lot > 0)
            .then_some(Origin { wallet_id: row.origin_wallet_id, lot_number: row.origin_lot }),
        pending: row.pending == 1,
        expired: row.expired,
        returned: row.returned == 1,
        left_behind: row.left_behind == 1,
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
        member_id: lot.member_id,
        activity_id: lot.activity_id,
        rule_version: lot.rule_version,
        origin_wallet_id: lot.origin.map_or(Uuid::nil(), |origin| origin.wallet_id),
        origin_lot: lot.origin.map_or(0, |origin| origin.lot_number),
        expired: lot.expired,
        pending: i32::from(lot.pending),
        returned: i32::from(lot.returned),
        left_behind: i32::from(lot.left_behind),
        purse: i32::try_from(lot.key.purse).unwrap_or(i32::MAX),
    }
}
