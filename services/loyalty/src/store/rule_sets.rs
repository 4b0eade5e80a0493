//! Rule set rows: the earning rules of a program, version by version.

use ambient::Time;
use db::sea_orm::sea_query::Expr;
use db::sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};
use db::{Tenant, Tx};

use super::entity::{program, rule_set};
use crate::domain::rules::Rules;
use crate::domain::{EarningRule, Program, RuleSet, Term};

/// A rule set as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The program whose rules it holds.
    pub program_id: String,
    /// From 2; 1 is the program's own earning rule.
    pub version: i64,
    /// A name for people.
    pub display_name: String,
    /// It holds, held or will hold; otherwise it is a draft.
    pub active: bool,
    /// From when it holds.
    pub start: Time,
    /// Up to when.
    pub end: Time,
    /// What it says.
    pub rules: Rules,
    /// When it was made.
    pub create_time: Time,
}

impl Stored {
    /// When it holds; none for a draft.
    pub fn term(&self) -> Option<Term> {
        self.active.then_some(Term { version: self.version, start: self.start, end: self.end })
    }
}

/// Finds one rule set.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn find(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    program_id: &str,
    version: i64,
) -> Result<Option<Stored>, db::Error> {
    let key = (tenant.id().to_owned(), program_id.to_owned(), version);
    rule_set::Entity::find_by_id(key).one(db).await?.map(domain).transpose()
}

/// One page of a program's rule sets below the given version, latest first.
///
/// # Errors
/// As [`find`].
pub async fn page(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    program_id: &str,
    before: i64,
    limit: u64,
) -> Result<Vec<Stored>, db::Error> {
    let rows = of_program(tenant, program_id)
        .filter(rule_set::Column::Version.lt(before))
        .order_by_desc(rule_set::Column::Version)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(domain).collect()
}

/// All rule sets of a program that hold, held or will hold, by their start.
///
/// # Errors
/// As [`find`].
pub async fn active(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    program_id: &str,
) -> Result<Vec<Stored>, db::Error> {
    let rows = of_program(tenant, program_id)
        .filter(rule_set::Column::Active.eq(1))
        .order_by_asc(rule_set::Column::StartTime)
        .all(db)
        .await?;
    rows.into_iter().map(domain).collect()
}

/// The latest version of a program's rules; 1 if it never had a rule set.
///
/// # Errors
/// That the database refused.
pub async fn latest_version(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    program_id: &str,
) -> Result<i64, db::Error> {
    let latest = of_program(tenant, program_id).order_by_desc(rule_set::Column::Version).one(db).await?;
    Ok(latest.map_or(EarningRule::VERSION, |row| row.version))
}

/// Writes a new draft.
///
/// # Errors
/// `Constraint` if the version exists.
pub async fn insert(tx: &Tx, tenant: &Tenant, set: &Stored) -> Result<(), db::Error> {
    let told = |e: serde_json::Error| db::Error::Damaged(format!("rule set {}: {e}", set.version));
    let row = rule_set::Model {
        tenant_id: tenant.id().to_owned(),
        program_id: set.program_id.clone(),
        version: set.version,
        display_name: set.display_name.clone(),
        active: i32::from(set.active),
        start_time: set.start.micros(),
        end_time: set.end.micros(),
        content: serde_json::to_string(&set.rules).map_err(told)?,
        create_time: set.create_time.micros(),
    };
    db::bulk_insert::<rule_set::Entity>(tx, &[row]).await
}

/// Writes when rule sets hold.
///
/// # Errors
/// That the database refused.
pub async fn set_terms(tx: &Tx, tenant: &Tenant, program_id: &str, terms: &[Term]) -> Result<(), db::Error> {
    use rule_set::Column as C;
    for term in terms {
        rule_set::Entity::update_many()
            .col_expr(C::Active, Expr::value(1))
            .col_expr(C::StartTime, Expr::value(term.start.micros()))
            .col_expr(C::EndTime, Expr::value(term.end.micros()))
            .filter(C::TenantId.eq(tenant.id()))
            .filter(C::ProgramId.eq(program_id))
            .filter(C::Version.eq(term.version))
            .exec(tx)
            .await?;
    }
    Ok(())
}

/// Locks a program until the transaction ends and raises its version by so much: by 1 if something changes,
/// so that everybody reads it again.
///
/// # Errors
/// That the database refused.
pub async fn lock_program(
    tx: &Tx,
    tenant: &Tenant,
    program_id: &str,
    raised_by: i64,
) -> Result<(), db::Error> {
    use program::Column as C;
    program::Entity::update_many()
        .col_expr(C::Version, Expr::col(C::Version).add(raised_by))
        .filter(C::TenantId.eq(tenant.id()))
        .filter(C::ProgramId.eq(program_id))
        .exec(tx)
        .await?;
    Ok(())
}

/// Everything that held or will hold: the program's own earning rule up to the first rule set, and all of
/// them.
///
/// # Errors
/// `Damaged` for rules that do not compile any more.
pub(super) fn timeline(program: &Program, active: Vec<Stored>) -> Result<Vec<RuleSet>, db::Error> {
    let first = active.iter().find(|set| set.start < set.end).map_or(Time::NEVER, |set| set.start);
    let rule = program.rule.and_then(|rule| rule.rule_set(program.time_zone, first));
    let mut sets: Vec<RuleSet> = rule.into_iter().collect();
    for set in active {
        let damaged = |_| db::Error::Damaged(format!("rule set {} does not compile", set.version));
        let rules = program.compile(set.rules).map_err(damaged)?;
        sets.push(RuleSet { version: set.version, start: set.start, end: set.end, rules });
    }
    Ok(sets)
}

fn of_program(tenant: &Tenant, program_id: &str) -> db::sea_orm::Select<rule_set::Entity> {
    rule_set::Entity::find()
        .filter(rule_set::Column::TenantId.eq(tenant.id()))
        .filter(rule_set::Column::ProgramId.eq(program_id))
}

fn domain(row: rule_set::Model) -> Result<Stored, db::Error> {
    let damaged = |_| db::Error::Damaged(format!("rule set {} cannot be read", row.version));
    Ok(Stored {
        rules: serde_json::from_str(&row.content).map_err(damaged)?,
        program_id: row.program_id,
        version: row.version,
        display_name: row.display_name,
        active: row.active == 1,
        start: Time::from_micros(row.start_time),
        end: Time::from_micros(row.end_time),
        create_time: Time::from_micros(row.create_time),
    })
}
