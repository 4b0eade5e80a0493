//! Profile rows: the locks of everything that is folded into one.

use std::collections::{BTreeMap, HashMap};

use ambient::Time;
use db::sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use db::{Keyed, OWNER_TYPES, Owner, Pick, Tx, select_in};
use uuid::Uuid;

use super::OWNER;
use super::entity::profile;
use super::gate::{ANNOUNCED, Rebuilding};
use crate::domain::{Given, Profile, Spend, Tier};

/// Loads the profiles of these customers, empty ones for those never heard of, and locks their rows in the
/// owners' order until the transaction ends. Anything else about these customers must be read in a later
/// statement: one that waited for a lock still sees other tables as they were before.
///
/// Known customers, which are nearly all, cost one statement. Two transactions that meet the same new
/// customer while they hold known ones may deadlock: one of them is run again.
///
/// # Errors
/// That the database refused, or `Damaged`.
pub async fn open(tx: &Tx, owners: &[Owner]) -> Result<HashMap<Owner, Profile>, db::Error> {
    const KEEP: &str = "ON CONFLICT (bucket, tenant_id, customer_id) DO NOTHING";
    let mut profiles = load(tx, owners).await?;
    let new: Vec<Owner> = owners.iter().filter(|owner| !profiles.contains_key(owner)).cloned().collect();
    let rows: Vec<_> = new.iter().map(|owner| row(owner, &Profile::default())).collect();
    db::bulk_upsert::<profile::Entity>(tx, &rows, KEEP).await?;
    profiles.extend(load(tx, &new).await?);
    Ok(profiles)
}

/// Loads one profile without locking it; none if nothing is known. One statement finds out whether it can be
/// trusted, too: two might see the times before and after the end of a rebuild.
///
/// # Errors
/// That the database refused, or `Damaged`.
pub async fn find(
    db: &impl ConnectionTrait,
    owner: &Owner,
) -> Result<Result<Option<Profile>, Rebuilding>, db::Error> {
    const FIND: &str = "SELECT r.running AS rebuilding, p.* FROM rebuild r LEFT JOIN profile p \
        ON p.bucket = $1 AND p.tenant_id = $2 AND p.customer_id = $3 WHERE r.id = $4";
    let values = owner.key_with([ANNOUNCED.into()]);
    let statement = Statement::from_sql_and_values(db.get_database_backend(), FIND, values);
    let missing = || db::Error::Damaged("a row of the table rebuild is missing".to_owned());
    let row = db.query_one_raw(statement).await?.ok_or_else(missing)?;
    if row.try_get("", "rebuilding")? {
        return Ok(Err(Rebuilding));
    }
    let known: Option<Uuid> = row.try_get("", "customer_id")?;
    let profile = known.map(|_| Ok(domain(profile::Model::from_query_result(&row, "")?)?.1));
    profile.transpose().map(Ok)
}

/// Writes locked profiles.
///
/// # Errors
/// That the database refused.
pub async fn update(tx: &Tx, profiles: &[(Owner, Profile)]) -> Result<(), db::Error> {
    use profile::Column as C;
    const FIELDS: [C; 25] = [
        C::EnrollTime,
        C::FirstPurchaseTime,
        C::LastPurchaseTime,
        C::PurchaseCount,
        C::Spend,
        C::VisitCount,
        C::ActivityCount,
        C::Nps,
        C::NpsTime,
        C::NpsFactId,
        C::Csat,
        C::CsatTime,
        C::CsatFactId,
        C::AnswerCount,
        C::DismissedCount,
        C::CasesOpenedCount,
        C::CasesResolvedCount,
        C::TierId,
        C::TierRank,
        C::TierTime,
        C::TierOrderKey,
        C::TierFactId,
        C::RedemptionCount,
        C::PointsSpent,
        C::OrderKey,
    ];
    let rows: Vec<_> = profiles.iter().map(|(owner, profile)| row(owner, profile)).collect();
    db::bulk_update::<profile::Entity>(tx, &rows, &FIELDS).await
}

async fn load(tx: &Tx, owners: &[Owner]) -> Result<HashMap<Owner, Profile>, db::Error> {
    let select = Keyed {
        table: "profile",
        on: &OWNER,
        types: &OWNER_TYPES,
        filter: "",
        order: "t.bucket, t.tenant_id, t.customer_id",
        pick: Pick::Locked,
        more: "",
    };
    let keys: Vec<_> = owners.iter().map(Owner::key).collect();
    let rows: Vec<profile::Model> = select_in(tx, select, &keys).await?;
    rows.into_iter().map(domain).collect()
}

fn row(owner: &Owner, profile: &Profile) -> profile::Model {
    let none = Given { time: Time::NEVER, fact_id: Uuid::nil(), value: 0 };
    let (nps, csat) = (profile.last_nps.unwrap_or(none), profile.last_csat.unwrap_or(none));
    let tier = profile.tier.clone().unwrap_or_else(|| Tier {
        time: Time::NEVER,
        order_key: 0,
        fact_id: Uuid::nil(),
        tier_id: String::new(),
        rank: 0,
    });
    profile::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        customer_id: owner.id(),
        enroll_time: micros(profile.enroll_time),
        first_purchase_time: micros(profile.first_purchase_time),
        last_purchase_time: micros(profile.last_purchase_time),
        purchase_count: profile.purchase_count,
        spend: spend_text(&profile.spend),
        visit_count: profile.visit_count,
        activity_count: profile.activity_count,
        nps: nps.value,
        nps_time: nps.time.micros(),
        nps_fact_id: nps.fact_id,
        csat: csat.value,
        csat_time: csat.time.micros(),
        csat_fact_id: csat.fact_id,
        answer_count: profile.answer_count,
        dismissed_count: profile.dismissed_count,
        cases_opened_count: profile.cases_opened_count,
        cases_resolved_count: profile.cases_resolved_count,
        tier_id: tier.tier_id,
        tier_rank: tier.rank,
        tier_time: tier.time.micros(),
        tier_order_key: tier.order_key,
        tier_fact_id: tier.fact_id,
        redemption_count: profile.redemption_count,
        points_spent: profile.points_spent,
        order_key: profile.order_key,
    }
}

fn domain(row: profile::Model) -> Result<(Owner, Profile), db::Error> {
    let owner = Owner::of_row(row.bucket, &row.tenant_id, row.customer_id);
    let spend = spend_of(&row.spend)
        .ok_or_else(|| db::Error::Damaged(format!("spend of customer {}", row.customer_id)))?;
    let given =
        |value: i32, micros: i64, fact_id: Uuid| time(micros).map(|time| Given { time, fact_id, value });
    let tier = time(row.tier_time).map(|time| Tier {
        time,
        order_key: row.tier_order_key,
        fact_id: row.tier_fact_id,
        tier_id: row.tier_id,
        rank: row.tier_rank,
    });
    let profile = Profile {
        enroll_time: time(row.enroll_time),
        first_purchase_time: time(row.first_purchase_time),
        last_purchase_time: time(row.last_purchase_time),
        purchase_count: row.purchase_count,
        spend,
        visit_count: row.visit_count,
        activity_count: row.activity_count,
        last_nps: given(row.nps, row.nps_time, row.nps_fact_id),
        last_csat: given(row.csat, row.csat_time, row.csat_fact_id),
        answer_count: row.answer_count,
        dismissed_count: row.dismissed_count,
        cases_opened_count: row.cases_opened_count,
        cases_resolved_count: row.cases_resolved_count,
        tier,
        redemption_count: row.redemption_count,
        points_spent: row.points_spent,
        order_key: row.order_key,
    };
    Ok((owner, profile))
}

fn micros(time: Option<Time>) -> i64 {
    time.unwrap_or(Time::NEVER).micros()
}

fn time(micros: i64) -> Option<Time> {
    Some(Time::from_micros(micros)).filter(|time| !time.is_never())
}

/// `EUR 1990000;USD 5`, by currency.
fn spend_text(spend: &Spend) -> String {
    spend.0.iter().map(|(currency, micros)| format!("{currency} {micros}")).collect::<Vec<_>>().join(";")
}

fn spend_of(text: &str) -> Option<Spend> {
    let pair = |part: &str| {
        let (currency, micros) = part.split_once(' ')?;
        Some((currency.to_owned(), micros.parse().ok()?))
    };
    let sums: Option<BTreeMap<String, i64>> = text.split_terminator(';').map(pair).collect();
    sums.map(Spend)
}
