//! Sums of postings by month, kept by following the numbers that wallets give their postings: each posting is
//! added once, whenever it is committed and whenever it took effect.
//!
//! Whoever adds first marks up to which number each wallet goes, by its row, and then sums up what lies
//! between two marks: rows that are there for good. So nothing has to stand still meanwhile.

use std::collections::BTreeMap;
use std::ops::Range;

use ambient::Time;
use chrono_tz::Tz;
use db::sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};
use db::{Plan, Tenant, Tx};

use super::audit::column;
use super::entity::liability_month;
use crate::domain::liability::Movements;
use crate::domain::{Account, Month, Program};

/// All buckets of wallets.
pub const BUCKETS: Range<i32> = 0..64;

/// What moved, by purse and month.
pub type Months = BTreeMap<u32, BTreeMap<Month, Movements>>;

/// Beginnings of months, as statements compare them.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// Numbers of months and their first microseconds.
    months: Vec<(i32, i64)>,
    /// How many of them are sealed.
    sealed: usize,
}

impl Calendar {
    /// The months of a zone up to the one after `now`, for what takes effect while it is waited for a lock,
    /// or by a clock that is ahead; some of them are sealed.
    pub fn new(zone: Tz, now: Time, sealed: Option<Month>) -> Calendar {
        let last = Month::of(zone, now).max(sealed.unwrap_or(Month::of(zone, now))).plus(1);
        let months = (0..=last.since(Month::FIRST)).map(|n| Month::FIRST.plus(n));
        let months: Vec<Month> = months.collect();
        let sealed = months.iter().filter(|month| Some(**month) <= sealed).count();
        let starts = months.iter().map(|month| (month.number(), month.start(zone).micros()));
        Calendar { months: starts.collect(), sealed }
    }

    /// The month in which what took effect at a moment counts.
    pub(super) fn counted(&self, moment: &str) -> String {
        month_of(moment, self.months.get(self.sealed..).unwrap_or_default())
    }

    /// The month of a moment.
    pub(super) fn plain(&self, moment: &str) -> String {
        month_of(moment, &self.months)
    }
}

/// The number of the month of a moment, found by halves, the last months first: of what lies before the
/// first, that one.
fn month_of(moment: &str, months: &[(i32, i64)]) -> String {
    const LAST: usize = 16;
    let middle = if months.len() > 2 * LAST { months.len() - LAST } else { months.len() / 2 };
    let (before, after) = months.split_at(middle);
    match (before, after) {
        (_, []) => Month::FIRST.number().to_string(),
        ([], [(number, _), ..]) => number.to_string(),
        (before, [(_, start), ..]) => {
            let (before, after) = (month_of(moment, before), month_of(moment, after));
            format!("CASE WHEN {moment} < {start} THEN {before} ELSE {after} END")
        }
    }
}

/// What is summed up of a program.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Whose program.
    pub tenant: Tenant,
    /// Which.
    pub program_id: String,
    /// In which months are counted.
    pub zone: Tz,
}

impl Scope {
    /// Of this program.
    pub fn of(tenant: &Tenant, program: &Program) -> Scope {
        Scope { tenant: tenant.clone(), program_id: program.id.clone(), zone: program.time_zone }
    }

    pub(super) fn values(&self) -> Vec<Value> {
        vec![self.tenant.id().into(), self.program_id.as_str().into()]
    }
}

#[derive(FromQueryResult)]
struct Book {
    round: i64,
    sealed_month: i32,
}

/// Locks the sums of a program. Returns the number of this round, and which month is sealed.
async fn lock(tx: &Tx, scope: &Scope) -> Result<Book, db::Error> {
    const LOCK: &str = "INSERT INTO liability_book (tenant_id, program_id, round, sealed_month) \
         VALUES ($1, $2, 1, 0) ON CONFLICT (tenant_id, program_id) \
         DO UPDATE SET round = liability_book.round + 1 RETURNING round, sealed_month";
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), LOCK, scope.values());
    let book = Book::find_by_statement(statement).one(tx).await?;
    book.ok_or_else(|| db::Error::Damaged("an upsert told nothing".into()))
}

/// Locks the sums of a program and returns up to which month they are sealed.
///
/// # Errors
/// That the database refused.
pub async fn locked_seal(tx: &Tx, scope: &Scope) -> Result<Option<Month>, db::Error> {
    Ok(Month::from_number(lock(tx, scope).await?.sealed_month))
}

/// Adds to the sums what was posted to wallets in these buckets since the last time.
///
/// # Errors
/// That the database refused, or `Damaged` for postings that cannot be summed up.
pub async fn roll_up(tx: &Tx, scope: &Scope, now: Time, buckets: Range<i32>) -> Result<(), db::Error> {
    const MARK: &str = "INSERT INTO rolled_wallet \
         (bucket, tenant_id, wallet_id, program_id, since, seq, round) \
         SELECT w.bucket, w.tenant_id, w.wallet_id, w.program_id, COALESCE(r.seq, 0), w.posting_seq, \
         CAST($5 AS BIGINT) FROM wallet w LEFT JOIN rolled_wallet r ON r.bucket = w.bucket \
         AND r.tenant_id = w.tenant_id AND r.wallet_id = w.wallet_id \
         WHERE w.tenant_id = $1 AND w.program_id = $2 AND w.bucket >= $3 AND w.bucket < $4 \
         AND w.posting_seq > COALESCE(r.seq, 0) ON CONFLICT (bucket, tenant_id, wallet_id) \
         DO UPDATE SET since = excluded.since, seq = excluded.seq, round = excluded.round";
    let Book { round, sealed_month } = lock(tx, scope).await?;
    let mut values = scope.values();
    values.extend([buckets.start.into(), buckets.end.into(), round.into()]);
    db::plan(tx, Plan::ByTable).await?;
    let backend = tx.get_database_backend();
    let marked = tx.execute_raw(Statement::from_sql_and_values(backend, MARK, values.clone())).await?;
    db::plan(tx, Plan::ByKey).await?;
    if marked.rows_affected() > 0 {
        let calendar = Calendar::new(scope.zone, now, Month::from_number(sealed_month));
        let marked = "rolled_wallet r CROSS JOIN posting p WHERE r.tenant_id = $1 AND r.program_id = $2 \
             AND r.bucket >= $3 AND r.bucket < $4 AND r.round = $5 AND p.bucket = r.bucket \
             AND p.tenant_id = r.tenant_id AND p.wallet_id = r.wallet_id \
             AND p.seq > r.since AND p.seq <= r.seq";
        add_months(tx, scope, &moved(tx, marked, &calendar, values).await?).await?;
    }
    Ok(())
}

/// A sum of a group. SQLite sorts what it groups: one number is sorted faster than the columns that it is
/// made of.
#[derive(FromQueryResult)]
pub(super) struct Sum {
    pub(super) slot: i64,
    pub(super) points: i64,
}

/// Purses that a slot can tell apart.
const PURSES: i64 = 100;

impl Sum {
    /// Takes the last part off the slot, of which there are so many.
    pub(super) fn part(&mut self, of: i64) -> i64 {
        let part = self.slot.rem_euclid(of);
        self.slot = self.slot.div_euclid(of);
        part
    }

    /// Takes the purse off the slot.
    pub(super) fn purse(&mut self) -> Result<u32, db::Error> {
        u32::try_from(self.part(PURSES)).map_err(|_| damaged())
    }

    /// Takes a month off the slot.
    pub(super) fn month(&mut self) -> Result<Month, db::Error> {
        let month = i32::try_from(self.part(MONTHS)).ok();
        month.and_then(Month::from_number).ok_or_else(damaged)
    }

    fn account(&mut self) -> Result<Account, db::Error> {
        let number = i32::try_from(self.part(ACCOUNTS)).ok();
        number.and_then(Account::from_number).ok_or_else(damaged)
    }
}

/// More than the numbers of months, and of accounts.
const MONTHS: i64 = 1_000_000;
const ACCOUNTS: i64 = 16;

/// A slot of these months and of a purse.
pub(super) fn slot(months: &[String], purse: &str) -> String {
    let months = months
        .iter()
        .fold("CAST(0 AS BIGINT)".to_owned(), |slot, month| format!("({slot} * {MONTHS} + {month})"));
    format!("({months} * {PURSES} + {purse})")
}

pub(super) fn damaged() -> db::Error {
    db::Error::Damaged("what moved in a month cannot be summed up".into())
}

/// What postings `p` of `rows` moved, in the months in which they count.
pub(super) async fn moved(
    db: &impl ConnectionTrait,
    rows: &str,
    calendar: &Calendar,
    values: Vec<Value>,
) -> Result<Months, db::Error> {
    let sql = format!(
        "SELECT ({} * {ACCOUNTS} + p.debit) * {ACCOUNTS} + p.credit AS slot, \
         CAST(SUM(p.points) AS BIGINT) AS points FROM {rows} GROUP BY 1",
        slot(&[calendar.counted("p.effective_time")], "p.purse")
    );
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let mut months = Months::new();
    for mut sum in Sum::find_by_statement(statement).all(db).await? {
        let (credit, debit) = (sum.account()?, sum.account()?);
        let (purse, month) = (sum.purse()?, sum.month()?);
        let moved = months.entry(purse).or_default().entry(month).or_default();
        moved.post(debit, credit, sum.points).map_err(|_| damaged())?;
    }
    Ok(months)
}

/// The end of an upsert that adds to these columns.
fn adding(table: &str, key: &str, columns: &[&str]) -> String {
    let add = |column: &&str| format!("{column} = {table}.{column} + excluded.{column}");
    let add: Vec<String> = columns.iter().map(add).collect();
    format!("ON CONFLICT ({key}) DO UPDATE SET {}", add.join(", "))
}

/// The sums of a month.
const COLUMNS: [&str; 13] = [
    "issued",
    "reversed",
    "redeemed",
    "refunded",
    "expired",
    "reinstated",
    "adjusted",
    "waived",
    "transferred",
    "pending",
    "available",
    "held",
    "arrears",
];

/// What moved in a month, as a row.
fn row(scope: &Scope, purse: u32, month: Month, moved: &Movements) -> liability_month::Model {
    liability_month::Model {
        tenant_id: scope.tenant.id().to_owned(),
        program_id: scope.program_id.clone(),
        purse: i32::try_from(purse).unwrap_or(i32::MAX),
        month: month.number(),
        issued: moved.issued,
        reversed: moved.reversed,
        redeemed: moved.redeemed,
        refunded: moved.refunded,
        expired: moved.expired,
        reinstated: moved.reinstated,
        adjusted: moved.adjusted,
        waived: moved.waived,
        transferred: moved.transferred,
        pending: moved.pending,
        available: moved.available,
        held: moved.held,
        arrears: moved.arrears,
    }
}

/// What moved by a row, of which purse, in which month.
pub(super) fn domain(row: &liability_month::Model) -> Result<(u32, Month, Movements), db::Error> {
    let purse = u32::try_from(row.purse).map_err(|_| damaged())?;
    let month = Month::from_number(row.month).ok_or_else(damaged)?;
    let moved = Movements {
        issued: row.issued,
        reversed: row.reversed,
        redeemed: row.redeemed,
        refunded: row.refunded,
        expired: row.expired,
        reinstated: row.reinstated,
        adjusted: row.adjusted,
        waived: row.waived,
        transferred: row.transferred,
        pending: row.pending,
        available: row.available,
        held: row.held,
        arrears: row.arrears,
    };
    Ok((purse, month, moved))
}

async fn add_months(tx: &Tx, scope: &Scope, months: &Months) -> Result<(), db::Error> {
    let mut rows = Vec::new();
    for (purse, of) in months {
        rows.extend(of.iter().map(|(month, moved)| row(scope, *purse, *month, moved)));
    }
    let end = adding("liability_month", "tenant_id, program_id, purse, month", &COLUMNS);
    db::bulk_upsert::<liability_month::Entity>(tx, &rows, &end).await
}

/// True if something fell due before a moment to a wallet of the program, and was not settled yet.
///
/// # Errors
/// That the database refused.
pub async fn is_unsettled(tx: &Tx, scope: &Scope, before: Time) -> Result<bool, db::Error> {
    const BEHIND: &str = "SELECT w.posting_seq FROM wallet w WHERE w.next_due < 9223372036854775807 \
         AND w.next_due < $3 AND w.tenant_id = $1 AND w.program_id = $2 LIMIT 1";
    let mut values = scope.values();
    values.push(before.micros().into());
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), BEHIND, values);
    Ok(tx.query_one_raw(statement).await?.is_some())
}

/// Seals the months up to this one, with what a point of each purse costs. The sums must be locked.
///
/// # Errors
/// That the database refused.
pub async fn seal(
    tx: &Tx,
    scope: &Scope,
    month: Month,
    program: &Program,
    at: Time,
) -> Result<(), db::Error> {
    const SEAL: &str = "INSERT INTO liability_seal (tenant_id, program_id, month, seal_time, unit_costs) \
         VALUES ($1, $2, $3, $4, $5)";
    const SEALED: &str =
        "UPDATE liability_book SET sealed_month = $3 WHERE tenant_id = $1 AND program_id = $2";
    let purses = program.purses();
    let costs: Vec<i64> = purses.map(|purse| program.unit_cost_micros(purse)).collect();
    let costs = serde_json::to_string(&costs).map_err(|e| db::Error::Damaged(e.to_string()))?;
    let mut values = scope.values();
    values.push(month.number().into());
    let mut sealed = values.clone();
    sealed.extend([at.micros().into(), costs.into()]);
    let backend = tx.get_database_backend();
    tx.execute_raw(Statement::from_sql_and_values(backend, SEAL, sealed)).await?;
    tx.execute_raw(Statement::from_sql_and_values(backend, SEALED, values)).await?;
    Ok(())
}

/// What a posting `p` adds to the sums that an account has in a month.
fn signed(account: Account) -> Vec<(&'static str, String)> {
    let number = account as i32;
    let on = |side: &str| format!("CASE p.{side} WHEN {number} THEN p.points ELSE 0 END");
    match account {
        Account::Redeemed => vec![("redeemed", on("credit")), ("refunded", on("debit"))],
        Account::Expired => vec![("expired", on("credit")), ("reinstated", on("debit"))],
        Account::Pending
        | Account::Available
        | Account::Held
        | Account::Arrears
        | Account::Issued
        | Account::Reversed
        | Account::Adjusted
        | Account::Waived
        | Account::Transfer => {
            let (debit, credit) = if account.grows_by_debit() { ("", "-") } else { ("-", "") };
            let grows = format!("WHEN p.debit THEN {debit}p.points WHEN p.credit THEN {credit}p.points");
            vec![(column(account), format!("CASE {number} {grows} ELSE 0 END"))]
        }
    }
}

/// The check of the audit: the months of a purse sum up to its postings, as far as these are summed up.
pub(super) fn months_match_postings() -> String {
    let columns: Vec<(&str, String)> = Account::ALL.into_iter().flat_map(signed).collect();
    let each = |write: &dyn Fn(&str, &str) -> String, between: &str| {
        columns.iter().map(|(name, sum)| write(name, sum)).collect::<Vec<_>>().join(between)
    };
    format!(
        "SELECT CAST(NULL AS UUID) AS wallet_id, {} AS diff FROM (SELECT m.program_id, m.purse, {} \
         FROM liability_month m WHERE m.tenant_id = $1 AND ($2 = '' OR m.program_id = $2) \
         UNION ALL SELECT r.program_id, p.purse, {} FROM rolled_wallet r JOIN posting p \
         ON p.bucket = r.bucket AND p.tenant_id = r.tenant_id AND p.wallet_id = r.wallet_id \
         AND p.seq <= r.seq WHERE r.tenant_id = $1 AND ($2 = '' OR r.program_id = $2)) t \
         GROUP BY program_id, purse",
        each(&|name, _| format!("ABS(SUM({name}))"), " + "),
        each(&|name, _| format!("m.{name}"), ", "),
        each(&|name, sum| format!("-({sum}) AS {name}"), ", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_looked_up_by_halves_among_months_that_are_not_sealed() {
        let zone = chrono_tz::UTC;
        let now = Month::parse("2000-04").unwrap().start(zone);
        let calendar = Calendar::new(zone, now, Month::parse("2000-02"));
        let may = Month::parse("2000-05").unwrap().start(zone).micros();
        let calendar_of_march = Calendar::new(zone, now, Month::parse("2000-03"));
        assert_eq!(
            calendar_of_march.counted("t"),
            format!("CASE WHEN t < {may} THEN 200004 ELSE 200005 END")
        );
        assert_eq!(calendar.counted("t").matches("CASE").count(), 2);
        assert_eq!(calendar.plain("t").matches("CASE").count(), 4);
        let ahead = Calendar::new(zone, now, Month::parse("2000-04"));
        assert_eq!(ahead.counted("t"), "200005", "another process sealed by its own clock");
        assert_eq!(Calendar::new(zone, now, None).counted("t"), calendar.plain("t"));
    }
}
