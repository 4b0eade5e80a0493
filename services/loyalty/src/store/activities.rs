//! Activity rows.

use std::collections::HashMap;

use ambient::Time;
use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use db::{Keyed, Lookup, Owner, Pick, select_in};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::OWNER;
use super::entity::activity;
use crate::domain::{Activity, ActivityKind, ActivityState, Currency, Earning, Money, Outstanding, Pinned};

/// The caller's own key of an activity, unique among those of one member in one wallet.
pub type ExternalKey = (Owner, Uuid, String);

/// What is kept as JSON of what is outstanding of a return.
#[derive(PartialEq, Serialize, Deserialize)]
struct OutstandingRow {
    purse: u32,
    since: i64,
    points: i64,
}

/// Activities by their callers' own keys.
pub fn external_lookup(wanted: &[ExternalKey]) -> Lookup {
    let select = Keyed {
        table: "activity",
        on: &["bucket", "tenant_id", "wallet_id", "external_id", "member_id"],
        types: &[ArrayType::Int, ArrayType::String, ArrayType::Uuid, ArrayType::String, ArrayType::Uuid],
        filter: "t.external_id <> ''",
        order: "",
        pick: Pick::All,
        more: "",
    };
    let key =
        |(owner, member_id, id): &ExternalKey| owner.key_with([id.as_str().into(), (*member_id).into()]);
    Lookup { select, keys: wanted.iter().map(key).collect() }
}

/// Finds the ids of activities by their callers' own keys.
///
/// # Errors
/// That the database refused.
pub async fn find_external(
    db: &impl ConnectionTrait,
    wanted: &[ExternalKey],
) -> Result<HashMap<ExternalKey, Uuid>, db::Error> {
    let rows: Vec<activity::Model> = external_lookup(wanted).rows(db).await?;
    let found = rows.into_iter().map(|row| {
        let owner = Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id);
        ((owner, row.member_id, row.external_id), row.activity_id)
    });
    Ok(found.collect())
}

/// Finds activities by their ids.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn find(
    db: &impl ConnectionTrait,
    wanted: &[(Owner, Uuid)],
) -> Result<HashMap<(Owner, Uuid), Activity>, db::Error> {
    let select = Keyed {
        table: "activity",
        on: &["bucket", "tenant_id", "wallet_id", "activity_id"],
        types: &[ArrayType::Int, ArrayType::String, ArrayType::Uuid, ArrayType::Uuid],
        filter: "",
        order: "",
        pick: Pick::All,
        more: "",
    };
    let keys: Vec<_> = wanted.iter().map(|(owner, id)| owner.key_with([(*id).into()])).collect();
    let rows: Vec<activity::Model> = select_in(db, select, &keys).await?;
    let found = rows.into_iter().map(|row| {
        let owner = Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id);
        Ok(((owner, row.activity_id), domain(row)?))
    });
    found.collect()
}

/// The activities of wallets of which something is outstanding.
///
/// # Errors
/// As [`find`].
pub async fn owing(db: &impl ConnectionTrait, owners: &[Owner]) -> Result<Vec<(Owner, Activity)>, db::Error> {
    // SQLite prefers the primary key, and with it all activities of a wallet, to the partial index if it is
    // given the bucket, too.
    let select = Keyed {
        table: "activity",
        on: &["wallet_id", "tenant_id"],
        types: &[ArrayType::Uuid, ArrayType::String],
        filter: "t.outstanding <> ''",
        order: "",
        pick: Pick::All,
        more: "",
    };
    let key = |owner: &Owner| vec![owner.id().into(), owner.tenant().id().into()];
    let keys: Vec<_> = owners.iter().map(key).collect();
    let rows: Vec<activity::Model> = select_in(db, select, &keys).await?;
    let found = rows.into_iter().map(|row| {
        let owner = Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id);
        Ok((owner, domain(row)?))
    });
    found.collect()
}

/// Which activities of a wallet; all unless it says otherwise.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Of one of these kinds; none: of any.
    pub kinds: Vec<ActivityKind>,
    /// That happened at this moment or later.
    pub since: Option<Time>,
    /// That happened before this moment.
    pub before: Option<Time>,
}

impl Selection {
    fn condition(&self) -> Condition {
        use activity::Column as C;
        let kinds = self.kinds.iter().map(|kind| *kind as i32);
        Condition::all()
            .add_option((!self.kinds.is_empty()).then(|| C::Kind.is_in(kinds)))
            .add_option(self.since.map(|since| C::OccurredTime.gte(since.micros())))
            .add_option(self.before.map(|before| C::OccurredTime.lt(before.micros())))
    }
}

/// One page of a wallet's activities with ids below `before`, last recorded first.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn page(
    db: &impl ConnectionTrait,
    owner: &Owner,
    selection: &Selection,
    before: Uuid,
    limit: u64,
) -> Result<Vec<Activity>, db::Error> {
    let rows = activity::Entity::find()
        .filter(selection.condition())
        .filter(activity::Column::Bucket.eq(owner.bucket()))
        .filter(activity::Column::TenantId.eq(owner.tenant().id()))
        .filter(activity::Column::WalletId.eq(owner.id()))
        .filter(activity::Column::ActivityId.lt(before))
        .order_by_desc(activity::Column::ActivityId)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(domain).collect()
}

/// Activities that happened between two moments, both included, as they are now.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn between(
    db: &impl ConnectionTrait,
    owner: &Owner,
    from: Time,
    to: Time,
) -> Result<Vec<Activity>, db::Error> {
    let rows = activity::Entity::find()
        .filter(activity::Column::Bucket.eq(owner.bucket()))
        .filter(activity::Column::TenantId.eq(owner.tenant().id()))
        .filter(activity::Column::WalletId.eq(owner.id()))
        .filter(activity::Column::OccurredTime.between(from.micros(), to.micros()))
        .all(db)
        .await?;
    rows.into_iter().map(domain).collect()
}

/// Activities of wallets that happened from one moment up to but without another one.
///
/// # Errors
/// As [`find`].
pub async fn of_wallets(
    db: &impl ConnectionTrait,
    owners: &[Owner],
    (from, to): (Time, Time),
) -> Result<HashMap<Owner, Vec<Activity>>, db::Error> {
    let select = Keyed {
        table: "activity",
        on: &OWNER,
        types: &[ArrayType::Int, ArrayType::String, ArrayType::Uuid, ArrayType::BigInt, ArrayType::BigInt],
        filter: "t.occurred_time >= k.c3 AND t.occurred_time < k.c4",
        order: "",
        pick: Pick::All,
        more: "",
    };
    let times = [from.micros().into(), to.micros().into()];
    let keys: Vec<_> = owners.iter().map(|owner| owner.key_with(times.clone())).collect();
    let rows: Vec<activity::Model> = select_in(db, select, &keys).await?;
    let mut found: HashMap<Owner, Vec<Activity>> = HashMap::new();
    for row in rows {
        let owner = Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id);
        found.entry(owner).or_default().push(domain(row)?);
    }
    Ok(found)
}

pub(super) fn domain(row: activity::Model) -> Result<Activity, db::Error> {
    let damaged = |what: &str| db::Error::Damaged(format!("{what} of activity {}", row.activity_id));
    let amount = match row.amount_currency.as_str() {
        "" => None,
        code => {
            let currency = Currency::try_new(code).ok_or_else(|| damaged("currency"))?;
            Some(Money { currency, micros: row.amount_micros })
        }
    };
    let main = Earning {
        purse: 0,
        points: row.points,
        reversed: row.points_reversed,
        expired_before: row.expired_before,
        lots: (row.lot_first, row.lot_count),
    };
    let further: Vec<Earning> = read(&row.earned).ok_or_else(|| damaged("earnings"))?;
    Ok(Activity {
        id: row.activity_id,
        member_id: row.member_id,
        kind: ActivityKind::from_number(row.kind).ok_or_else(|| damaged("kind"))?,
        occurred_time: Time::from_micros(row.occurred_time),
        amount,
        external_id: row.external_id,
        earned: [main].into_iter().filter(|main| main.points > 0).chain(further).collect(),
        credits: row.credits,
        state: ActivityState::from_number(row.state).ok_or_else(|| damaged("state"))?,
        returned_micros: row.returned_micros,
        outstanding: read::<Vec<OutstandingRow>>(&row.outstanding)
            .ok_or_else(|| damaged("what is outstanding"))?
            .into_iter()
            .map(|of| Outstanding { purse: of.purse, since: Time::from_micros(of.since), points: of.points })
            .collect(),
        detail: read(&row.detail).ok_or_else(|| damaged("detail"))?,
        pinned: Pinned {
            rule_version: row.rule_version,
            tier_rank: u32::try_from(row.tier_rank).unwrap_or(0),
            room: read::<Vec<_>>(&row.room).ok_or_else(|| damaged("room"))?.into_iter().collect(),
            member: read(&row.member).ok_or_else(|| damaged("member"))?,
        },
    })
}

pub(super) fn row(owner: &Owner, activity: &Activity, create_time: Time) -> activity::Model {
    let main = activity.main();
    activity::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        wallet_id: owner.id(),
        activity_id: activity.id,
        member_id: activity.member_id,
        kind: activity.kind as i32,
        occurred_time: activity.occurred_time.micros(),
        amount_currency: activity.amount.map_or_else(String::new, |a| a.currency.code().to_owned()),
        amount_micros: activity.amount.map_or(0, |a| a.micros),
        external_id: activity.external_id.clone(),
        points: main.points,
        create_time: create_time.micros(),
        state: activity.state as i32,
        points_reversed: main.reversed,
        returned_micros: activity.returned_micros,
        lot_first: main.lots.0,
        lot_count: main.lots.1,
        detail: written(&activity.detail),
        rule_version: activity.pinned.rule_version,
        tier_rank: i32::try_from(activity.pinned.tier_rank).unwrap_or(i32::MAX),
        room: written(&activity.pinned.room.iter().collect::<Vec<_>>()),
        units: activity.units_left(),
        member: written(&activity.pinned.member),
        expired_before: main.expired_before,
        earned: written(&activity.further()),
        credits: activity.credits,
        outstanding: written(&outstanding_rows(activity)),
    }
}

/// The columns of a row that tell what an activity earned: what became of it, and in which lots it is.
pub(super) const EARNED: [activity::Column; 4] = [
    activity::Column::ExpiredBefore,
    activity::Column::LotFirst,
    activity::Column::LotCount,
    activity::Column::Earned,
];

/// A row of which only the key and what it earned are to be written.
pub(super) fn earned_row(owner: &Owner, activity_id: Uuid, earned: &[Earning]) -> activity::Model {
    let main = earned.iter().find(|earning| earning.purse == 0).copied().unwrap_or_default();
    let further: Vec<Earning> = earned.iter().filter(|earning| earning.purse > 0).copied().collect();
    activity::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        wallet_id: owner.id(),
        activity_id,
        expired_before: main.expired_before,
        lot_first: main.lots.0,
        lot_count: main.lots.1,
        earned: written(&further),
        ..activity::Model::default()
    }
}

fn outstanding_rows(activity: &Activity) -> Vec<OutstandingRow> {
    let row = |of: &Outstanding| {
        let Outstanding { purse, since, points } = *of;
        OutstandingRow { purse, since: since.micros(), points }
    };
    activity.outstanding.iter().map(row).collect()
}

/// Takes off a row what is personal.
pub(super) fn forget(row: &mut activity::Model) {
    for text in [&mut row.external_id, &mut row.detail, &mut row.member] {
        text.clear();
    }
}

/// As JSON; what is as if nothing was told is the empty text.
fn written<T: Serialize + Default + PartialEq>(value: &T) -> String {
    if *value == T::default() { String::new() } else { serde_json::to_string(value).unwrap_or_default() }
}

fn read<T: DeserializeOwned + Default>(text: &str) -> Option<T> {
    if text.is_empty() { Some(T::default()) } else { serde_json::from_str(text).ok() }
}
