//! What the liability report reads, all of it on one snapshot: sums of months, what was posted since these
//! were made, and what wallets say they have.

use std::collections::BTreeMap;
use std::ops::Range;

use ambient::Time;
use db::sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, Statement};
use db::{Plan, Tenant, Tx};

use super::entity::liability_month;
use super::liability::{BUCKETS, Calendar, Months, Scope, Sum, damaged, domain, moved, slot};
use super::purse_rows::purses;
use crate::domain::Month;
use crate::domain::breakage::{Ended, Endings};

/// Postings that one transaction adds to the sums, if more wallets than those of a bucket have them.
const POSTINGS: i64 = 150_000;
/// Wallets with so many postings are looked at for an estimate: more of them would hardly change it.
const SAMPLED: i64 = 100_000;

/// What is known at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What moved, all of it.
    pub months: Months,
    /// What wallets have less what they owe, by purse.
    pub owed: BTreeMap<u32, i64>,
    /// By month, each with the costs of points of the purses: what was sealed up to it and not before.
    pub seals: BTreeMap<Month, Vec<i64>>,
    /// What the lots of some wallets are and became; none if not asked for.
    pub lots: Option<Sample>,
}

/// Wallets with the numbers up to which their postings are summed up.
const MARKED: &str = "wallet w LEFT JOIN rolled_wallet r ON r.bucket = w.bucket \
     AND r.tenant_id = w.tenant_id AND r.wallet_id = w.wallet_id";
/// What of them is not.
const UNMARKED: &str = "CAST(SUM(w.posting_seq - COALESCE(r.seq, 0)) AS BIGINT)";

#[derive(FromQueryResult)]
struct Behind {
    bucket: i32,
    postings: i64,
}

#[derive(FromQueryResult)]
struct Waiting {
    tenant_id: String,
    program_id: String,
    time_zone: String,
    #[sea_orm(nested)]
    behind: Behind,
}

/// Programs of all tenants in which so many postings or more are to be added to the sums, each with parts
/// that one transaction can do.
///
/// # Errors
/// That the database refused.
pub async fn waiting(tx: &Tx, postings: i64) -> Result<Vec<(Scope, Vec<Range<i32>>)>, db::Error> {
    let sql = format!(
        "SELECT w.tenant_id, w.program_id, p.time_zone, w.bucket, {UNMARKED} AS postings FROM {MARKED} \
         JOIN program p ON p.tenant_id = w.tenant_id AND p.program_id = w.program_id \
         WHERE w.posting_seq > COALESCE(r.seq, 0) GROUP BY w.tenant_id, w.program_id, p.time_zone, w.bucket \
         ORDER BY w.tenant_id, w.program_id, w.bucket"
    );
    db::plan(tx, Plan::ByTable).await?;
    let statement = Statement::from_string(tx.get_database_backend(), sql);
    let found = Waiting::find_by_statement(statement).all(tx).await?;
    let of_programs = found.chunk_by(|a, b| (&a.tenant_id, &a.program_id) == (&b.tenant_id, &b.program_id));
    let many = of_programs.filter(|of| {
        let counts = of.iter().map(|one| one.behind.postings);
        counts.fold(0, i64::saturating_add) >= postings
    });
    many.map(|of| {
        let tenant = Tenant::new(&of[0].tenant_id);
        let zone = of[0].time_zone.parse().map_err(|_| damaged())?;
        let scope = Scope { tenant, program_id: of[0].program_id.clone(), zone };
        Ok((scope, divided(of.iter().map(|one| &one.behind))))
    })
    .collect()
}

/// Buckets of wallets whose postings are to be added to the sums, in parts that one transaction can do.
///
/// # Errors
/// That the database refused.
pub async fn parts(tx: &Tx, scope: &Scope) -> Result<Vec<Range<i32>>, db::Error> {
    Ok(divided(&behind(tx, scope).await?))
}

fn divided<'a>(all: impl IntoIterator<Item = &'a Behind>) -> Vec<Range<i32>> {
    let (mut parts, mut postings): (Vec<Range<i32>>, i64) = (Vec::new(), 0);
    for behind in all {
        let after = behind.bucket.saturating_add(1);
        postings = postings.saturating_add(behind.postings);
        match parts.last_mut() {
            Some(part) if postings <= POSTINGS => part.end = after,
            _ => {
                parts.push(behind.bucket..after);
                postings = behind.postings;
            }
        }
    }
    parts
}

/// How many postings of which buckets are not summed up.
async fn behind(tx: &Tx, scope: &Scope) -> Result<Vec<Behind>, db::Error> {
    let sql = format!(
        "SELECT w.bucket AS bucket, {UNMARKED} AS postings FROM {MARKED} \
         WHERE w.tenant_id = $1 AND w.program_id = $2 AND w.posting_seq > COALESCE(r.seq, 0) \
         GROUP BY w.bucket ORDER BY w.bucket"
    );
    db::plan(tx, Plan::ByTable).await?;
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, scope.values());
    let found = Behind::find_by_statement(statement).all(tx).await?;
    Ok(found.into_iter().filter(|behind| BUCKETS.contains(&behind.bucket)).collect())
}

/// Reads everything of a program.
///
/// # Errors
/// That the database refused, or `Damaged` for what cannot be summed up.
pub async fn read(tx: &Tx, scope: &Scope, now: Time, with_lots: bool) -> Result<Snapshot, db::Error> {
    let seals = seals(tx, scope).await?;
    let sealed = seals.last_key_value().map(|(month, _)| *month);
    let calendar = Calendar::new(scope.zone, now, sealed);
    let mut months = summed(tx, scope).await?;
    if !behind(tx, scope).await?.is_empty() {
        for (purse, later) in posted_since(tx, scope, &calendar).await? {
            let of = months.entry(purse).or_default();
            for (month, moved) in later {
                of.entry(month).or_default().add(&moved).map_err(|_| damaged())?;
            }
        }
    }
    db::plan(tx, Plan::ByTable).await?;
    let owed = owed(tx, scope).await?;
    let lots = if with_lots { Some(sample(tx, scope, &calendar).await?) } else { None };
    Ok(Snapshot { months, owed, seals, lots })
}

async fn posted_since(tx: &Tx, scope: &Scope, calendar: &Calendar) -> Result<Months, db::Error> {
    let posted = format!(
        "{MARKED} CROSS JOIN posting p \
         WHERE w.tenant_id = $1 AND w.program_id = $2 AND w.posting_seq > COALESCE(r.seq, 0) \
         AND p.bucket = w.bucket AND p.tenant_id = w.tenant_id AND p.wallet_id = w.wallet_id \
         AND p.seq > COALESCE(r.seq, 0) AND p.seq <= w.posting_seq"
    );
    db::plan(tx, Plan::ByKey).await?;
    moved(tx, &posted, calendar, scope.values()).await
}

#[derive(FromQueryResult)]
struct Seal {
    month: i32,
    unit_costs: String,
}

async fn seals(tx: &Tx, scope: &Scope) -> Result<BTreeMap<Month, Vec<i64>>, db::Error> {
    const SQL: &str = "SELECT month, unit_costs FROM liability_seal WHERE tenant_id = $1 AND program_id = $2";
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), SQL, scope.values());
    let seal = |seal: Seal| {
        let month = Month::from_number(seal.month).ok_or_else(damaged)?;
        Ok((month, serde_json::from_str(&seal.unit_costs).map_err(|_| damaged())?))
    };
    Seal::find_by_statement(statement).all(tx).await?.into_iter().map(seal).collect()
}

async fn summed(tx: &Tx, scope: &Scope) -> Result<Months, db::Error> {
    let rows = liability_month::Entity::find()
        .filter(liability_month::Column::TenantId.eq(scope.tenant.id()))
        .filter(liability_month::Column::ProgramId.eq(&scope.program_id))
        .all(tx)
        .await?;
    let mut months = Months::new();
    for row in &rows {
        let (purse, month, moved) = domain(row)?;
        months.entry(purse).or_default().insert(month, moved);
    }
    Ok(months)
}

#[derive(FromQueryResult)]
struct Owed {
    purse: i64,
    points: i64,
}

async fn owed(tx: &Tx, scope: &Scope) -> Result<BTreeMap<u32, i64>, db::Error> {
    let backend = tx.get_database_backend();
    let sql = format!(
        "SELECT CAST(w.purse AS BIGINT) AS purse, \
         CAST(SUM(w.pending + w.available + w.held - w.arrears) AS BIGINT) AS points FROM {} w \
         WHERE w.tenant_id = $1 AND w.program_id = $2 GROUP BY w.purse",
        purses(backend)
    );
    let statement = Statement::from_sql_and_values(backend, sql, scope.values());
    let found = Owed::find_by_statement(statement).all(tx).await?;
    let purse = |number: i64| u32::try_from(number).map_err(|_| damaged());
    found.into_iter().map(|owed| Ok((purse(owed.purse)?, owed.points))).collect()
}

/// Lots of some wallets: whose they are does not depend on what they do, so they stand for all.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// How many of a hundred buckets of wallets.
    pub percent: i32,
    /// Points of open lots by purse and the month since which they can be spent.
    pub open: BTreeMap<u32, BTreeMap<Month, i64>>,
    /// What became of those that are not, by purse.
    pub endings: BTreeMap<u32, Endings>,
}

#[derive(FromQueryResult)]
struct Posted {
    bucket: i32,
    postings: i64,
}

async fn sample(tx: &Tx, scope: &Scope, calendar: &Calendar) -> Result<Sample, db::Error> {
    const POSTED: &str = "SELECT w.bucket AS bucket, CAST(SUM(w.posting_seq) AS BIGINT) AS postings \
         FROM wallet w WHERE w.tenant_id = $1 AND w.program_id = $2 GROUP BY w.bucket ORDER BY w.bucket";
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), POSTED, scope.values());
    let (mut end, mut postings, mut taken) = (BUCKETS.end, 0_i64, false);
    for posted in Posted::find_by_statement(statement).all(tx).await? {
        postings = postings.saturating_add(posted.postings);
        if postings > SAMPLED && taken {
            end = posted.bucket;
            break;
        }
        taken = true;
    }
    let percent = end.saturating_mul(100).checked_div(BUCKETS.end).unwrap_or(100);
    db::plan(tx, Plan::ByKey).await?;
    let (open, endings) =
        (open_lots(tx, scope, calendar, end).await?, ended(tx, scope, calendar, end).await?);
    Ok(Sample { percent, open, endings })
}

async fn slots(tx: &Tx, scope: &Scope, sql: String, end: i32) -> Result<Vec<Sum>, db::Error> {
    let mut values = scope.values();
    values.push(end.into());
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
    Ok(Sum::find_by_statement(statement).all(tx).await?)
}

async fn open_lots(
    tx: &Tx,
    scope: &Scope,
    calendar: &Calendar,
    end: i32,
) -> Result<BTreeMap<u32, BTreeMap<Month, i64>>, db::Error> {
    let sql = format!(
        "SELECT {} AS slot, CAST(SUM(l.remaining) AS BIGINT) AS points FROM wallet w CROSS JOIN lot l \
         WHERE w.tenant_id = $1 AND w.program_id = $2 AND w.bucket < $3 \
         AND l.bucket = w.bucket AND l.tenant_id = w.tenant_id AND l.wallet_id = w.wallet_id \
         AND l.open = 1 GROUP BY 1",
        slot(&[calendar.plain("l.activate_time")], "l.purse")
    );
    let mut open: BTreeMap<u32, BTreeMap<Month, i64>> = BTreeMap::new();
    for mut sum in slots(tx, scope, sql, end).await? {
        let (purse, month) = (sum.purse()?, sum.month()?);
        open.entry(purse).or_default().insert(month, sum.points);
    }
    Ok(open)
}

/// Points of lots that could be spent: held or spent and given back, expired and reinstated.
async fn ended(
    tx: &Tx,
    scope: &Scope,
    calendar: &Calendar,
    end: i32,
) -> Result<BTreeMap<u32, Endings>, db::Error> {
    // A join would find postings and lots by their wallet alone while there are no statistics: all of them
    // for each row. A subquery has the whole key.
    const KEY: &str = "k.bucket = a.bucket AND k.tenant_id = a.tenant_id AND k.wallet_id = a.wallet_id";
    let of_lot =
        |column| format!("(SELECT k.{column} FROM lot k WHERE {KEY} AND k.lot_number = a.lot_number)");
    let (since, purse) = (of_lot("activate_time"), of_lot("purse"));
    let sql = format!(
        "WITH ended AS MATERIALIZED (SELECT a.effective_time, {since} AS since, {purse} AS purse, \
           CASE a.credit WHEN 1 THEN -a.points ELSE a.points END AS points, \
           (SELECT CASE WHEN k.debit = 8 OR k.credit = 8 THEN 1 ELSE 0 END FROM posting k \
             WHERE {KEY} AND k.seq = a.posting_seq AND (k.debit = 2 AND k.credit IN (3, 7, 8) \
             OR k.credit = 2 AND k.debit IN (3, 7, 8))) AS expired \
           FROM wallet w CROSS JOIN allocation a \
           WHERE w.tenant_id = $1 AND w.program_id = $2 AND w.bucket < $3 \
           AND a.bucket = w.bucket AND a.tenant_id = w.tenant_id AND a.wallet_id = w.wallet_id) \
         SELECT {} * 2 + e.expired AS slot, CAST(SUM(e.points) AS BIGINT) AS points FROM ended e \
         WHERE e.expired IS NOT NULL GROUP BY 1",
        slot(&[calendar.plain("e.since"), calendar.plain("e.effective_time")], "e.purse")
    );
    let mut endings: BTreeMap<u32, Endings> = BTreeMap::new();
    for mut sum in slots(tx, scope, sql, end).await? {
        let expired = sum.part(2) == 1;
        let (purse, month, since) = (sum.purse()?, sum.month()?, sum.month()?);
        let ended: &mut Ended = endings.entry(purse).or_default().entry((since, month)).or_default();
        *(if expired { &mut ended.expired } else { &mut ended.spent }) = sum.points;
    }
    Ok(endings)
}
