//! Program rows.

use ambient::Time;
use db::sea_orm::sea_query::Expr;
use db::sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, UpdateMany,
};
use db::{Tenant, Tx};
use serde::{Deserialize, Serialize};

use super::entity::program;
use super::rule_sets;
use crate::domain::{
    ActivityKind, Basis, Currency, Downgrade, Earlier, EarningRule, Expiry, Ladder, Life, MonthDay, Period,
    PointCurrency, Program, RedemptionPolicy, Release, ReturnPolicy, Tier, TierPolicy, Window,
};

#[derive(Serialize, Deserialize)]
struct StoredTier {
    id: String,
    display_name: String,
    /// Programs that count spend may have it under its other name.
    #[serde(alias = "threshold_micros")]
    credits: i64,
    keep: Option<i64>,
    #[serde(default = "whole")]
    earn_percent: i64,
    #[serde(default)]
    discount_percent: i64,
    #[serde(default)]
    perks: Vec<String>,
}

/// Tiers that held before, up to a day, which is written as in the calendar.
#[derive(Serialize, Deserialize)]
struct StoredEarlier {
    end: String,
    tiers: Vec<StoredTier>,
    downgrade: i32,
    grace_days: u32,
}

fn whole() -> i64 {
    100
}

/// Finds one program.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn find(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    program_id: &str,
) -> Result<Option<Program>, db::Error> {
    let key = (tenant.id().to_owned(), program_id.to_owned());
    let Some(row) = program::Entity::find_by_id(key).one(db).await? else { return Ok(None) };
    let program = domain(row)?;
    let active = rule_sets::active(db, tenant, program_id).await?;
    let rule_sets = rule_sets::timeline(&program, active)?;
    Ok(Some(Program { rule_sets, ..program }))
}

/// Programs, without their rule sets, whose tiers are others since a moment up to `now`, as far as no worker
/// went through their wallets, with their tenants.
///
/// # Errors
/// As [`find`].
pub async fn with_new_tiers(
    db: &impl ConnectionTrait,
    now: Time,
) -> Result<Vec<(Tenant, Program)>, db::Error> {
    let new = program::Column::TiersDue.lte(now.micros());
    let rows = program::Entity::find().filter(new).all(db).await?;
    rows.into_iter().map(|row| Ok((Tenant::new(&row.tenant_id), domain(row)?))).collect()
}

/// Writes that the tiers of a program are others from a moment on.
///
/// # Errors
/// That the database refused.
pub async fn tiers_change(tx: &Tx, tenant: &Tenant, program_id: &str, at: Time) -> Result<(), db::Error> {
    let sooner = program::Column::TiersDue.gt(at.micros());
    tiers_due(tenant, program_id, at).filter(sooner).exec(tx).await?;
    Ok(())
}

/// Writes that a worker went through the wallets of a program, whose tiers are next others at a moment,
/// unless it was changed meanwhile.
///
/// # Errors
/// That the database refused.
pub async fn tiers_hold(tx: &Tx, tenant: &Tenant, program: &Program, next: Time) -> Result<(), db::Error> {
    let same = program::Column::Version.eq(program.version);
    tiers_due(tenant, &program.id, next).filter(same).exec(tx).await?;
    Ok(())
}

fn tiers_due(tenant: &Tenant, program_id: &str, at: Time) -> UpdateMany<program::Entity> {
    program::Entity::update_many()
        .col_expr(program::Column::TiersDue, Expr::value(at.micros()))
        .filter(program::Column::TenantId.eq(tenant.id()))
        .filter(program::Column::ProgramId.eq(program_id))
}

/// One page of programs after the given id, by id, without their rule sets.
///
/// # Errors
/// As [`find`].
pub async fn page(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    after: &str,
    limit: u64,
) -> Result<Vec<Program>, db::Error> {
    let rows = program::Entity::find()
        .filter(program::Column::TenantId.eq(tenant.id()))
        .filter(program::Column::ProgramId.gt(after))
        .order_by_asc(program::Column::ProgramId)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(domain).collect()
}

/// Writes a new program.
///
/// # Errors
/// `Constraint` if it exists.
pub async fn insert(tx: &Tx, tenant: &Tenant, program: &Program) -> Result<(), db::Error> {
    db::bulk_insert::<program::Entity>(tx, &[row(tenant, program)?]).await
}

/// Writes what may change of a program.
///
/// # Errors
/// That the database refused.
pub async fn update(tx: &Tx, tenant: &Tenant, program: &Program) -> Result<(), db::Error> {
    use program::Column as C;
    const CHANGING: [C; 21] = [
        C::Further,
        C::Tiers,
        C::TiersBefore,
        C::TierDowngrade,
        C::TierGraceDays,
        C::TierWarnDays,
        C::DisplayName,
        C::PointName,
        C::PointCostMicros,
        C::ExpiryKind,
        C::ExpiryCount,
        C::ExpiryDay,
        C::ExpiryRoundTo,
        C::ExpirySliding,
        C::ReleaseKind,
        C::ReleaseDays,
        C::ReturnPolicy,
        C::Referral,
        C::Velocity,
        C::RedemptionPolicy,
        C::Version,
    ];
    db::bulk_update::<program::Entity>(tx, &[row(tenant, program)?], &CHANGING).await
}

fn row(tenant: &Tenant, program: &Program) -> Result<program::Model, db::Error> {
    let (expiry_kind, count, day) = match program.expiry.life {
        Life::Never => (0, 0, None),
        Life::RollingDays(days) => (1, days, None),
        Life::RollingMonths(months) => (2, months, None),
        Life::Annual { day, years_later } => (3, years_later, Some(day)),
    };
    let (release_kind, release_days) = match program.release {
        Release::AtOnce => (0, 0),
        Release::AfterDays(days) => (1, days),
        Release::OnConfirmation => (2, 0),
    };
    let tiers: Vec<StoredTier> = program.ladder.tiers.iter().map(stored).collect();
    let policy = &program.ladder.policy;
    let (tier_window, tier_months) = match policy.window {
        Window::CalendarYear => (1, 0),
        Window::Anniversary => (2, 0),
        Window::RollingMonths(months) => (3, months),
        Window::Lifetime => (4, 0),
    };
    let told = |e: &dyn std::fmt::Display| db::Error::Damaged(format!("program {}: {e}", program.id));
    Ok(program::Model {
        tenant_id: tenant.id().to_owned(),
        program_id: program.id.clone(),
        display_name: program.display_name.clone(),
        time_zone: program.time_zone.name().to_owned(),
        money_currency: program.currency.code().to_owned(),
        point_code: program.points.code.clone(),
        point_name: program.points.display_name.clone(),
        point_cost_micros: program.points.unit_cost_micros,
        rule_points: program.rule.map_or(0, |r| r.points),
        rule_per_micros: program.rule.map_or(0, |r| r.per_micros),
        rule_version: EarningRule::VERSION,
        expiry_kind,
        expiry_count: i32::try_from(count).map_err(|e| told(&e))?,
        tiers: serde_json::to_string(&tiers).map_err(|e| told(&e))?,
        version: program.version,
        create_time: program.create_time.micros(),
        expiry_day: day.map_or(0, day_number),
        expiry_round_to: program.expiry.round_to.map_or(0, |period| period as i32),
        release_kind,
        release_days: i32::try_from(release_days).map_err(|e| told(&e))?,
        return_policy: program.return_policy as i32,
        expiry_sliding: i32::from(program.expiry.sliding),
        tier_basis: policy.basis as i32,
        tier_kinds: policy.kinds.iter().fold(0, |set, kind| set | 1 << *kind as i32),
        tier_window,
        tier_months: i32::try_from(tier_months).map_err(|e| told(&e))?,
        tier_downgrade: policy.downgrade as i32,
        tier_grace_days: i32::try_from(policy.grace_days).map_err(|e| told(&e))?,
        tier_warn_days: i32::try_from(policy.warn_days).map_err(|e| told(&e))?,
        referral: match &program.referral {
            Some(policy) => serde_json::to_string(policy).map_err(|e| told(&e))?,
            None => String::new(),
        },
        velocity: serde_json::to_string(&program.velocity).map_err(|e| told(&e))?,
        further: serde_json::to_string(&program.further).map_err(|e| told(&e))?,
        tiers_before: {
            let before: Vec<StoredEarlier> = program.ladder.before.iter().map(stored_earlier).collect();
            serde_json::to_string(&before).map_err(|e| told(&e))?
        },
        redemption_policy: serde_json::to_string(&program.redemption).map_err(|e| told(&e))?,
        // Only [`tiers_change`] and [`tiers_hold`] write it of a program that is there.
        tiers_due: Time::NEVER.micros(),
    })
}

/// A day of every year as stored: 1231 for 31 December.
fn day_number(day: MonthDay) -> i32 {
    i32::try_from(day.month() * 100 + day.day()).unwrap_or(0)
}

fn day_of(number: i32) -> Option<MonthDay> {
    let number = u32::try_from(number).ok()?;
    MonthDay::try_new(number / 100, number % 100)
}

fn stored(tier: &Tier) -> StoredTier {
    StoredTier {
        id: tier.id.clone(),
        display_name: tier.display_name.clone(),
        credits: tier.entry,
        keep: Some(tier.keep),
        earn_percent: tier.earn_percent,
        discount_percent: tier.discount_percent,
        perks: tier.perks.clone(),
    }
}

fn stored_earlier(earlier: &Earlier) -> StoredEarlier {
    StoredEarlier {
        end: earlier.end.to_string(),
        tiers: earlier.tiers.iter().map(stored).collect(),
        downgrade: earlier.downgrade as i32,
        grace_days: earlier.grace_days,
    }
}

fn unstored_earlier(earlier: StoredEarlier) -> Option<Earlier> {
    Some(Earlier {
        end: earlier.end.parse().ok()?,
        tiers: earlier.tiers.into_iter().map(unstored).collect(),
        downgrade: Downgrade::from_number(earlier.downgrade)?,
        grace_days: earlier.grace_days,
    })
}

fn unstored(tier: StoredTier) -> Tier {
    Tier {
        id: tier.id,
        display_name: tier.display_name,
        entry: tier.credits,
        keep: tier.keep.unwrap_or(tier.credits),
        earn_percent: tier.earn_percent,
        discount_percent: tier.discount_percent,
        perks: tier.perks,
    }
}

fn tier_policy(row: &program::Model) -> Option<TierPolicy> {
    let count = |number: i32| u32::try_from(number).ok();
    let kinds = (1..=16).filter(|number| row.tier_kinds >> number & 1 == 1);
    Some(TierPolicy {
        basis: Basis::from_number(row.tier_basis)?,
        kinds: kinds.map(ActivityKind::from_number).collect::<Option<_>>()?,
        window: match row.tier_window {
            1 => Window::CalendarYear,
            2 => Window::Anniversary,
            3 => Window::RollingMonths(count(row.tier_months)?),
            4 => Window::Lifetime,
            _ => return None,
        },
        downgrade: Downgrade::from_number(row.tier_downgrade)?,
        grace_days: count(row.tier_grace_days)?,
        warn_days: count(row.tier_warn_days)?,
    })
}

fn domain(row: program::Model) -> Result<Program, db::Error> {
    let damaged = |what: &str| db::Error::Damaged(format!("program {}: {what}", row.program_id));
    let tiers: Vec<StoredTier> = serde_json::from_str(&row.tiers).map_err(|_| damaged("tiers"))?;
    let policy = tier_policy(&row).ok_or_else(|| damaged("tier policy"))?;
    let before: Vec<StoredEarlier> =
        serde_json::from_str(&row.tiers_before).map_err(|_| damaged("earlier tiers"))?;
    let before: Option<Vec<Earlier>> = before.into_iter().map(unstored_earlier).collect();
    let before = before.ok_or_else(|| damaged("earlier tiers"))?;
    let count = u32::try_from(row.expiry_count).map_err(|_| damaged("expiry"))?;
    let rule = EarningRule { points: row.rule_points, per_micros: row.rule_per_micros };
    let life = match row.expiry_kind {
        0 => Life::Never,
        1 => Life::RollingDays(count),
        2 => Life::RollingMonths(count),
        3 => {
            let day = day_of(row.expiry_day).ok_or_else(|| damaged("expiry day"))?;
            Life::Annual { day, years_later: count }
        }
        _ => return Err(damaged("expiry")),
    };
    let release = match row.release_kind {
        0 => Release::AtOnce,
        1 => Release::AfterDays(u32::try_from(row.release_days).map_err(|_| damaged("release"))?),
        2 => Release::OnConfirmation,
        _ => return Err(damaged("release")),
    };
    let round_to = match row.expiry_round_to {
        0 => None,
        number => Some(Period::from_number(number).ok_or_else(|| damaged("expiry period"))?),
    };
    Ok(Program {
        time_zone: row.time_zone.parse().map_err(|_| damaged("time zone"))?,
        currency: Currency::try_new(&row.money_currency).ok_or_else(|| damaged("currency"))?,
        points: PointCurrency {
            code: row.point_code,
            display_name: row.point_name,
            unit_cost_micros: row.point_cost_micros,
        },
        further: serde_json::from_str(&row.further).map_err(|_| damaged("further currencies"))?,
        rule: (rule.per_micros > 0).then_some(rule),
        rule_sets: Vec::new(),
        expiry: Expiry { life, round_to, sliding: row.expiry_sliding == 1 },
        release,
        return_policy: ReturnPolicy::from_number(row.return_policy)
            .ok_or_else(|| damaged("return policy"))?,
        referral: match row.referral.as_str() {
            "" => None,
            text => Some(serde_json::from_str(text).map_err(|_| damaged("referral policy"))?),
        },
        velocity: serde_json::from_str(&row.velocity).map_err(|_| damaged("velocity limits"))?,
        redemption: match row.redemption_policy.as_str() {
            "" => RedemptionPolicy::DEFAULT,
            text => serde_json::from_str(text).map_err(|_| damaged("redemption policy"))?,
        },
        ladder: Ladder { tiers: tiers.into_iter().map(unstored).collect(), policy, before },
        id: row.program_id,
        display_name: row.display_name,
        version: row.version,
        create_time: Time::from_micros(row.create_time),
    })
}
