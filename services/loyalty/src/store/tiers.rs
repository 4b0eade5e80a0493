//! What is known of tiers beyond the wallet: credits by local day, and the history that they led to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ambient::Time;
use chrono::NaiveDate;
use db::sea_orm::ConnectionTrait;
use db::{Keyed, OWNER_TYPES, Owner, Pick, select_in};

use super::OWNER;
use super::days::{date_of, number_of};
use super::entity::{tier_credit, tier_history};
use crate::domain::{Past, TierRow};

/// Loads all credits of wallets, and the rows of their histories that hold.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn pasts(
    db: &impl ConnectionTrait,
    owners: &BTreeSet<Owner>,
) -> Result<HashMap<Owner, Past>, db::Error> {
    let keys: Vec<_> = owners.iter().map(Owner::key).collect();
    let mut pasts: HashMap<Owner, Past> =
        owners.iter().map(|owner| (owner.clone(), Past::default())).collect();
    for row in select_in::<tier_credit::Model>(db, CREDITS, &keys).await? {
        let owner = Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id);
        let damaged = || db::Error::Damaged(format!("day {} of wallet {}", row.day, row.wallet_id));
        let day = date_of(row.day).ok_or_else(damaged)?;
        pasts.entry(owner).or_default().days.insert(day, row.credits);
    }
    let of_now = Keyed { filter: "t.superseded_time = 9223372036854775807", ..HISTORY };
    for (owner, row) in rows(db, of_now, &keys).await? {
        pasts.entry(owner).or_default().rows.push(row);
    }
    Ok(pasts)
}

/// The history of a wallet as it was known at a moment, by effective time.
///
/// # Errors
/// That the database refused.
pub async fn known_at(db: &impl ConnectionTrait, owner: &Owner, at: Time) -> Result<Vec<TierRow>, db::Error> {
    let rows = rows(db, HISTORY, &[owner.key()]).await?;
    let known = |row: &TierRow| row.known_time <= at && at < row.superseded_time;
    Ok(rows.into_iter().map(|(_, row)| row).filter(known).collect())
}

const CREDITS: Keyed<'static> = Keyed {
    table: "tier_credit",
    on: &OWNER,
    types: &OWNER_TYPES,
    filter: "",
    order: "",
    pick: Pick::All,
    more: "",
};

const HISTORY: Keyed<'static> = Keyed { table: "tier_history", order: "t.effective_time, t.seq", ..CREDITS };

async fn rows(
    db: &impl ConnectionTrait,
    select: Keyed<'_>,
    keys: &[Vec<db::sea_orm::Value>],
) -> Result<Vec<(Owner, TierRow)>, db::Error> {
    let rows: Vec<tier_history::Model> = select_in(db, select, keys).await?;
    let found = rows.into_iter().map(|row| {
        let owner = Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id);
        (owner, domain(&row))
    });
    Ok(found.collect())
}

fn domain(row: &tier_history::Model) -> TierRow {
    TierRow {
        seq: row.seq,
        rank: u32::try_from(row.rank).unwrap_or(0),
        effective_time: Time::from_micros(row.effective_time),
        known_time: Time::from_micros(row.known_time),
        superseded_time: Time::from_micros(row.superseded_time),
    }
}

pub(super) fn row(owner: &Owner, row: &TierRow) -> tier_history::Model {
    tier_history::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        wallet_id: owner.id(),
        seq: row.seq,
        rank: i32::try_from(row.rank).unwrap_or(i32::MAX),
        effective_time: row.effective_time.micros(),
        known_time: row.known_time.micros(),
        superseded_time: row.superseded_time.micros(),
    }
}

/// Rows of credits that were gathered, to be added to those of the database.
pub(super) fn credit_rows(credits: BTreeMap<(Owner, NaiveDate), i64>) -> Vec<tier_credit::Model> {
    let row = |((owner, day), credits): ((Owner, NaiveDate), i64)| tier_credit::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        wallet_id: owner.id(),
        day: number_of(day),
        credits,
    };
    credits.into_iter().map(row).collect()
}
