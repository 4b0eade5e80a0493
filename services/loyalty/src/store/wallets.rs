//! Wallet rows.

use std::collections::{HashMap, HashSet};

use ambient::Time;
use db::sea_orm::sea_query::Expr;
use db::sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QueryResult,
    QuerySelect, Statement,
};
use db::{Keyed, Lookup, OWNER_TYPES, Owner, Pick, Tenant, Tx, Writes, select_beside, select_in};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::OWNER;
use super::days::{date_of, number_of, opt_number_of};
use super::entity::wallet;
use super::unread::Which;
use crate::domain::{Alive, HouseholdRole, MemberState, Purse, Standing, Totals, Wallet};

/// A purse of a further currency, as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredPurse {
    #[serde(flatten)]
    totals: Totals,
    first_expire: i64,
    /// Missing in rows of before.
    #[serde(default = "never")]
    alive_since: i64,
    alive_until: i64,
}

fn never() -> i64 {
    Time::MIN.micros()
}

/// A wallet, with the version that its program had when it was read, or just before it was locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The wallet.
    pub wallet: Wallet,
    /// Rules of this version or a later one hold for it.
    pub program_version: i64,
}

struct Row {
    wallet: wallet::Model,
    program_version: i64,
}

struct Locked {
    row: Row,
    /// Whether any of what was looked for beside it may be there.
    beside: bool,
    /// As the statement saw the wallet before it waited for the lock.
    version_before: i64,
}

const VERSION_BEFORE: &str = ", (SELECT s.version FROM wallet s WHERE s.bucket = t.bucket \
     AND s.tenant_id = t.tenant_id AND s.wallet_id = t.wallet_id) AS version_before";

const SELECT: Keyed<'static> = Keyed {
    table: "wallet",
    on: &OWNER,
    types: &OWNER_TYPES,
    filter: "",
    order: "t.bucket, t.tenant_id, t.wallet_id",
    pick: Pick::All,
    more: PROGRAM_VERSION,
};

const PROGRAM_VERSION: &str = ", (SELECT p.version FROM program p WHERE p.tenant_id = t.tenant_id \
     AND p.program_id = t.program_id) AS program_version";

impl FromQueryResult for Row {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Row, DbErr> {
        let wallet = wallet::Model::from_query_result(row, prefix)?;
        Ok(Row { wallet, program_version: row.try_get(prefix, "program_version")? })
    }
}

impl FromQueryResult for Locked {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Locked, DbErr> {
        let (beside, version_before) =
            (row.try_get(prefix, "beside")?, row.try_get(prefix, "version_before")?);
        Ok(Locked { row: Row::from_query_result(row, prefix)?, beside, version_before })
    }
}

/// Loads wallets and, on PostgreSQL, locks their rows in the owners' order until the transaction ends. What
/// does not exist is not in the result. Anything else about these wallets must be read in a later
/// statement: one that waited for a lock still sees other tables as they were before. Only that nothing is
/// there of `beside` is told at once, by the second part of the result; true says that something may be, and
/// so it may if a wallet changed while the statement waited.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn lock(
    tx: &Tx,
    owners: &[Owner],
    beside: &[Lookup],
) -> Result<(HashMap<Owner, Versioned>, bool), db::Error> {
    let more = format!("{PROGRAM_VERSION}{VERSION_BEFORE}");
    let select = Keyed { pick: Pick::Locked, more: &more, ..SELECT };
    let keys: Vec<_> = owners.iter().map(Owner::key).collect();
    let rows: Vec<Locked> = select_beside(tx, select, &keys, beside).await?;
    let is_new = |row: &Locked| !row.beside && row.version_before == row.row.wallet.version;
    let maybe = rows.is_empty() || !rows.iter().all(is_new);
    let locked = rows.into_iter().map(|Locked { row, .. }| {
        let owner = Owner::of_row(row.wallet.bucket, &row.wallet.tenant_id, row.wallet.wallet_id);
        Ok((owner, versioned(row)?))
    });
    Ok((locked.collect::<Result<_, db::Error>>()?, maybe))
}

/// Loads one wallet without locking it.
///
/// # Errors
/// That the database refused.
pub async fn find(db: &impl ConnectionTrait, owner: &Owner) -> Result<Option<Versioned>, db::Error> {
    let rows: Vec<Row> = select_in(db, SELECT, &[owner.key()]).await?;
    rows.into_iter().next().map(versioned).transpose()
}

/// The wallet that has what belongs to the owner of this one: itself, unless that is elsewhere.
///
/// # Errors
/// That the database refused.
pub async fn locate(
    db: &impl ConnectionTrait,
    named: &Owner,
) -> Result<Option<(Owner, Versioned)>, db::Error> {
    Ok(way(db, named).await?.pop())
}

/// The wallets from this one to the one that has what belongs to its owner, both included; none if there is
/// no such wallet.
///
/// # Errors
/// That the database refused.
pub async fn way(db: &impl ConnectionTrait, named: &Owner) -> Result<Vec<(Owner, Versioned)>, db::Error> {
    let (mut way, mut next) = (Vec::new(), Some(named.clone()));
    while let Some(owner) = next {
        let Some(found) = find(db, &owner).await? else { return Ok(Vec::new()) };
        next = found.wallet.moved_to.map(|id| Owner::new(named.tenant(), id));
        way.push((owner, found));
    }
    Ok(way)
}

/// How many wallets a program has.
///
/// # Errors
/// That the database refused.
pub async fn count_of_program(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    program_id: &str,
) -> Result<u64, db::Error> {
    use wallet::Column as C;
    let of_program = wallet::Entity::find()
        .select_only()
        .column_as(C::WalletId.count(), "wallets")
        .filter(C::TenantId.eq(tenant.id()))
        .filter(C::ProgramId.eq(program_id));
    let count: Option<i64> = of_program.into_tuple().one(db).await?;
    Ok(count.unwrap_or(0).unsigned_abs())
}

/// Wallets of a program in one bucket, from an id on and by their ids.
pub(super) async fn page_in_bucket(
    db: &impl ConnectionTrait,
    (tenant, program_id): (&Tenant, &str),
    (bucket, from): (i32, Uuid),
    which: &Which,
    limit: u64,
) -> Result<Vec<(Owner, Versioned)>, db::Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut values = vec![bucket.into(), tenant.id().into(), from.into(), program_id.into(), limit.into()];
    let sql = format!(
        "SELECT t.*{PROGRAM_VERSION} FROM wallet t WHERE t.bucket = $1 AND t.tenant_id = $2 \
         AND t.wallet_id >= $3 AND t.program_id = $4 AND {} ORDER BY t.wallet_id LIMIT $5",
        which.condition(&mut values)
    );
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = Row::find_by_statement(statement).all(db).await?;
    let found = rows.into_iter().map(|row| {
        let owner = Owner::of_row(row.wallet.bucket, tenant.id(), row.wallet.wallet_id);
        Ok((owner, versioned(row)?))
    });
    found.collect()
}

/// Opens new wallets.
///
/// # Errors
/// `Constraint` if one of them exists.
pub async fn insert(tx: &Tx, wallets: &[(Owner, Wallet)]) -> Result<(), db::Error> {
    let rows: Vec<wallet::Model> = wallets.iter().map(|(owner, wallet)| row(owner, wallet)).collect();
    db::bulk_insert::<wallet::Entity>(tx, &rows).await
}

pub(super) fn update(writes: &mut Writes, wallets: &[(Owner, Wallet)]) -> Result<(), db::Error> {
    use wallet::Column as C;
    const CHANGING: [C; 40] = [
        C::Purses,
        C::Version,
        C::Now,
        C::NextExpire,
        C::NextDue,
        C::Pending,
        C::Available,
        C::Held,
        C::Arrears,
        C::Issued,
        C::Reversed,
        C::Redeemed,
        C::Expired,
        C::Adjusted,
        C::PostingSeq,
        C::LotSeq,
        C::EventSeq,
        C::OrderKey,
        C::TierRank,
        C::WarnedUntil,
        C::WarnedLot,
        C::NextWarn,
        C::NextRelease,
        C::NextHold,
        C::Waived,
        C::AliveSince,
        C::AliveUntil,
        C::TierSince,
        C::TierUntil,
        C::TierDay,
        C::TierFirstDay,
        C::TierProgress,
        C::TierPrevious,
        C::TierSeq,
        C::TierWarned,
        C::State,
        C::Transferred,
        C::Referred,
        C::MovedTo,
        C::Role,
    ];
    let rows: Vec<_> = wallets.iter().map(|(owner, wallet)| row(owner, wallet)).collect();
    writes.update::<wallet::Entity>(&rows, &CHANGING)
}

/// Wallets with something due at `now`, longest due first; then those whose owner is to be warned.
///
/// # Errors
/// That the database refused.
pub async fn due(db: &impl ConnectionTrait, now: Time, limit: u64) -> Result<Vec<Owner>, db::Error> {
    use wallet::Column::{NextDue, NextWarn};
    // Written out, because a parameter would hide from the planner that the partial index holds the row.
    let mut rows = reached(db, (NextDue, "next_due < 9223372036854775807"), now, limit).await?;
    let left = limit.saturating_sub(rows.len() as u64);
    if left > 0 {
        rows.extend(reached(db, (NextWarn, "next_warn < 9223372036854775807"), now, left).await?);
    }
    let mut seen = HashSet::new();
    rows.retain(|row| seen.insert(row.clone()));
    Ok(rows.iter().map(|(bucket, tenant, id)| Owner::of_row(*bucket, tenant, *id)).collect())
}

async fn reached(
    db: &impl ConnectionTrait,
    (moment, set): (wallet::Column, &'static str),
    now: Time,
    limit: u64,
) -> Result<Vec<(i32, String, Uuid)>, db::Error> {
    let select = wallet::Entity::find()
        .select_only()
        .columns([wallet::Column::Bucket, wallet::Column::TenantId, wallet::Column::WalletId])
        .filter(moment.lte(now.micros()))
        .filter(Expr::cust(set))
        .order_by_asc(moment)
        .limit(limit);
    Ok(select.into_tuple().all(db).await?)
}

fn versioned(row: Row) -> Result<Versioned, db::Error> {
    Ok(Versioned { wallet: domain(row.wallet)?, program_version: row.program_version })
}

fn domain(row: wallet::Model) -> Result<Wallet, db::Error> {
    let damaged = |_| db::Error::Damaged(format!("purses of wallet {}", row.wallet_id));
    let further: Vec<StoredPurse> = match row.purses.as_str() {
        "" => Vec::new(),
        text => serde_json::from_str(text).map_err(damaged)?,
    };
    let further = further.into_iter().map(|purse| Purse {
        totals: purse.totals,
        first_expire: Time::from_micros(purse.first_expire),
        alive: alive(purse.alive_since, purse.alive_until),
    });
    let main = Purse {
        totals: Totals {
            pending: row.pending,
            available: row.available,
            held: row.held,
            arrears: row.arrears,
            issued: row.issued,
            reversed: row.reversed,
            redeemed: row.redeemed,
            expired: row.expired,
            adjusted: row.adjusted,
            waived: row.waived,
            transferred: row.transferred,
        },
        first_expire: Time::from_micros(row.next_expire),
        alive: alive(row.alive_since, row.alive_until),
    };
    Ok(Wallet {
        purses: [main].into_iter().chain(further).collect(),
        id: row.wallet_id,
        program_id: row.program_id,
        version: row.version,
        now: Time::from_micros(row.now),
        next_release: Time::from_micros(row.next_release),
        next_hold: Time::from_micros(row.next_hold),
        next_due: Time::from_micros(row.next_due),
        warned_until: Time::from_micros(row.warned_until),
        warned_lot: row.warned_lot,
        next_warn: Time::from_micros(row.next_warn),
        posting_seq: row.posting_seq,
        lot_seq: row.lot_seq,
        event_seq: row.event_seq,
        order_key: row.order_key,
        open_time: Time::from_micros(row.open_time),
        tier: Standing {
            rank: u32::try_from(row.tier_rank).unwrap_or(0),
            since: Time::from_micros(row.tier_since),
            until: date_of(row.tier_until),
            day: date_of(row.tier_day).unwrap_or_default(),
            first_day: date_of(row.tier_first_day),
            progress: row.tier_progress,
            previous: row.tier_previous,
        },
        tier_seq: row.tier_seq,
        tier_warned: date_of(row.tier_warned),
        referred: row.referred == 1,
        moved_to: Some(row.moved_to).filter(|id| !id.is_nil()),
        role: HouseholdRole::from_number(row.role),
        shared: row.shared == 1,
        // Whatever cannot be read may not act.
        state: MemberState::from_number(row.state).unwrap_or(MemberState::Suspended),
    })
}

fn alive(since: i64, until: i64) -> Alive {
    Alive { since: Time::from_micros(since), until: Time::from_micros(until) }
}

fn stored(further: &[Purse]) -> String {
    let purses = further.iter().map(|purse| StoredPurse {
        totals: purse.totals,
        first_expire: purse.first_expire.micros(),
        alive_since: purse.alive.since.micros(),
        alive_until: purse.alive.until.micros(),
    });
    let purses: Vec<StoredPurse> = purses.collect();
    if purses.is_empty() { String::new() } else { serde_json::to_string(&purses).unwrap_or_default() }
}

fn row(owner: &Owner, wallet: &Wallet) -> wallet::Model {
    let Purse { totals: t, first_expire, alive } = wallet.main();
    wallet::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        wallet_id: owner.id(),
        program_id: wallet.program_id.clone(),
        version: wallet.version,
        now: wallet.now.micros(),
        next_expire: first_expire.micros(),
        next_due: wallet.next_due.micros(),
        pending: t.pending,
        available: t.available,
        held: t.held,
        arrears: t.arrears,
        issued: t.issued,
        reversed: t.reversed,
        redeemed: t.redeemed,
        expired: t.expired,
        adjusted: t.adjusted,
        posting_seq: wallet.posting_seq,
        lot_seq: wallet.lot_seq,
        event_seq: wallet.event_seq,
        order_key: wallet.order_key,
        tier_rank: i32::try_from(wallet.tier.rank).unwrap_or(i32::MAX),
        warned_until: wallet.warned_until.micros(),
        warned_lot: wallet.warned_lot,
        next_warn: wallet.next_warn.micros(),
        next_release: wallet.next_release.micros(),
        next_hold: wallet.next_hold.micros(),
        waived: t.waived,
        transferred: t.transferred,
        alive_since: alive.since.micros(),
        alive_until: alive.until.micros(),
        purses: stored(wallet.purses.get(1..).unwrap_or_default()),
        open_time: wallet.open_time.micros(),
        tier_since: wallet.tier.since.micros(),
        tier_until: opt_number_of(wallet.tier.until),
        tier_day: number_of(wallet.tier.day),
        tier_first_day: opt_number_of(wallet.tier.first_day),
        tier_progress: wallet.tier.progress,
        tier_previous: wallet.tier.previous,
        tier_seq: wallet.tier_seq,
        tier_warned: opt_number_of(wallet.tier_warned),
        referred: i32::from(wallet.referred),
        moved_to: wallet.moved_to.unwrap_or_default(),
        role: wallet.role.map_or(0, |role| role as i32),
        shared: i32::from(wallet.shared),
        state: wallet.state as i32,
    }
}
