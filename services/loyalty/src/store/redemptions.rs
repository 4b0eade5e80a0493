//! Rows of redemptions and of their steps.

use std::collections::HashMap;

use ambient::Time;
use db::sea_orm::sea_query::{ArrayType, Expr};
use db::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};
use db::{Keyed, OWNER_TYPES, Owner, Pick, select_in};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::entity::{redemption, redemption_step};
use super::{OWNER, rewards};
use crate::domain::rules::Period;
use crate::domain::{Alive, Money, Redemption, RedemptionState, Stay, Step, StepKind, Supply, Worth};

const BY_ID: Keyed<'static> = Keyed {
    table: "redemption",
    on: &["bucket", "tenant_id", "wallet_id", "redemption_id"],
    types: &[ArrayType::Int, ArrayType::String, ArrayType::Uuid, ArrayType::Uuid],
    filter: "",
    order: "",
    pick: Pick::All,
    more: "",
};

/// What few redemptions have, stored as JSON; empty if there is nothing of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Detail {
    price_id: String,
    money: Option<Money>,
    amount: Option<Money>,
    #[serde(default)]
    worth: Option<Worth>,
    limited: Option<Period>,
    codes: Vec<String>,
}

/// Finds redemptions of wallets by their ids.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn find(
    db: &impl ConnectionTrait,
    wanted: &[(Owner, Uuid)],
) -> Result<HashMap<(Owner, Uuid), Redemption>, db::Error> {
    let keys: Vec<_> = wanted.iter().map(|(owner, id)| owner.key_with([(*id).into()])).collect();
    let rows: Vec<redemption::Model> = select_in(db, BY_ID, &keys).await?;
    let found = rows.into_iter().map(|row| {
        let (owner, redemption) = owned(row)?;
        Ok(((owner, redemption.id), redemption))
    });
    found.collect()
}

/// The open holds of wallets.
///
/// # Errors
/// As [`find`].
pub async fn open_holds(
    db: &impl ConnectionTrait,
    owners: &[Owner],
) -> Result<Vec<(Owner, Redemption)>, db::Error> {
    let select = Keyed { on: &OWNER, types: &OWNER_TYPES, filter: "t.state = 2", ..BY_ID };
    let keys: Vec<_> = owners.iter().map(Owner::key).collect();
    let rows: Vec<redemption::Model> = select_in(db, select, &keys).await?;
    rows.into_iter().map(owned).collect()
}

/// Wallets with holds of a reward that are over at `now`, with the units that go back, longest over first.
///
/// # Errors
/// That the database refused.
pub async fn overdue(
    db: &impl ConnectionTrait,
    key: &rewards::Key,
    now: Time,
    limit: u64,
) -> Result<Vec<(Owner, i64)>, db::Error> {
    use redemption::Column as C;
    let select = redemption::Entity::find()
        .select_only()
        .columns([C::WalletId, C::Quantity])
        .filter(is_overdue(now))
        .filter(C::TenantId.eq(key.tenant.id()))
        .filter(C::ProgramId.eq(key.program_id.as_str()))
        .filter(C::RewardId.eq(key.reward_id.as_str()))
        .order_by_asc(C::HoldExpireTime)
        .limit(limit);
    let rows: Vec<(Uuid, i64)> = select.into_tuple().all(db).await?;
    Ok(rows.into_iter().map(|(id, units)| (Owner::new(&key.tenant, id), units)).collect())
}

/// Units that go back at `now` because holds are over, by the ids of rewards of one program.
///
/// # Errors
/// That the database refused.
pub async fn overdue_units(
    db: &impl ConnectionTrait,
    rewards: &[rewards::Key],
    now: Time,
) -> Result<HashMap<String, i64>, db::Error> {
    use redemption::Column as C;
    let Some(rewards::Key { tenant, program_id, .. }) = rewards.first() else { return Ok(HashMap::new()) };
    let select = redemption::Entity::find()
        .select_only()
        .column(C::RewardId)
        .expr(Expr::col(C::Quantity).sum().cast_as("bigint"))
        .filter(is_overdue(now))
        .filter(C::TenantId.eq(tenant.id()))
        .filter(C::ProgramId.eq(program_id.as_str()))
        .filter(C::RewardId.is_in(rewards.iter().map(|key| key.reward_id.as_str())))
        .group_by(C::RewardId);
    Ok(select.into_tuple().all(db).await?.into_iter().collect())
}

fn is_overdue(now: Time) -> Condition {
    // The state is written out, as in the partial index.
    let held = Condition::all().add(Expr::cust("state = 2"));
    held.add(redemption::Column::HoldExpireTime.lte(now.micros()))
}

/// One page of a wallet's redemptions with ids below `before` that `filter` keeps, last made first.
///
/// # Errors
/// As [`find`].
pub async fn page(
    db: &impl ConnectionTrait,
    owner: &Owner,
    filter: Filter,
    before: Uuid,
    limit: u64,
) -> Result<Vec<Redemption>, db::Error> {
    let rows = redemption::Entity::find()
        .filter(redemption::Column::Bucket.eq(owner.bucket()))
        .filter(redemption::Column::TenantId.eq(owner.tenant().id()))
        .filter(redemption::Column::WalletId.eq(owner.id()))
        .filter(redemption::Column::RedemptionId.lt(before))
        .filter(filter.condition())
        .order_by_desc(redemption::Column::RedemptionId)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(domain).collect()
}

/// Which redemptions are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    All,
    /// Those in this state.
    State(RedemptionState),
    /// Those of which so much was refunded.
    Refunded {
        /// All that was spent, otherwise only a part of it.
        whole: bool,
    },
}

impl Filter {
    fn condition(self) -> Condition {
        use redemption::Column as C;
        let all = Condition::all();
        match self {
            Filter::All => all,
            // What was refunded is not captured any more.
            Filter::State(RedemptionState::Captured) => {
                all.add(C::State.eq(RedemptionState::Captured as i32)).add(C::PointsRefunded.eq(0))
            }
            Filter::State(state) => all.add(C::State.eq(state as i32)),
            Filter::Refunded { whole } => {
                let (refunded, captured) = (Expr::col(C::PointsRefunded), Expr::col(C::PointsCaptured));
                let how = if whole { ExprTrait::eq(refunded, captured) } else { refunded.lt(captured) };
                all.add(C::PointsRefunded.gt(0)).add(how)
            }
        }
    }
}

/// The steps of a redemption, in their order.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn steps(
    db: &impl ConnectionTrait,
    owner: &Owner,
    redemption_id: Uuid,
) -> Result<Vec<Step>, db::Error> {
    use redemption_step::Column as C;
    let rows = redemption_step::Entity::find()
        .filter(C::Bucket.eq(owner.bucket()))
        .filter(C::TenantId.eq(owner.tenant().id()))
        .filter(C::WalletId.eq(owner.id()))
        .filter(C::RedemptionId.eq(redemption_id))
        .order_by_asc(C::Number)
        .all(db)
        .await?;
    rows.into_iter().map(step).collect()
}

fn owned(row: redemption::Model) -> Result<(Owner, Redemption), db::Error> {
    let owner = Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id);
    Ok((owner, domain(row)?))
}

pub(super) fn domain(row: redemption::Model) -> Result<Redemption, db::Error> {
    let damaged = |what: &str| db::Error::Damaged(format!("redemption {}: {what}", row.redemption_id));
    let state = RedemptionState::from_number(row.state).ok_or_else(|| damaged("state"))?;
    let captured = state == RedemptionState::Captured;
    let points = (row.points_held, row.points_captured, row.points_refunded);
    if points.2 > points.1 || points.1 > points.0 || (!captured && points.1 > 0) {
        return Err(damaged("points"));
    }
    let detail: Detail = match row.detail.as_str() {
        "" => Detail::default(),
        text => serde_json::from_str(text).map_err(|_| damaged("detail"))?,
    };
    Ok(Redemption {
        lots: serde_json::from_str(&row.lots).map_err(|_| damaged("lots"))?,
        id: row.redemption_id,
        member_id: row.member_id,
        program_id: row.program_id,
        reward_id: row.reward_id,
        reward_version: row.reward_version,
        quantity: row.quantity,
        quantity_captured: row.quantity_captured,
        supply: Supply::from_number(row.supply).ok_or_else(|| damaged("supply"))?,
        price_id: detail.price_id,
        money: detail.money,
        amount: detail.amount,
        worth: detail.worth,
        limited: detail.limited,
        codes: detail.codes,
        currency: row.currency,
        purse: u32::try_from(row.purse).unwrap_or(0),
        points: row.points_held,
        captured: row.points_captured,
        refunded: row.points_refunded,
        lots_wallet_id: Some(row.lots_wallet_id).filter(|id| !id.is_nil() && *id != row.wallet_id),
        stays: stays(&row.stays).ok_or_else(|| damaged("stays"))?,
        state,
        hold_expire_time: Time::from_micros(row.hold_expire_time),
        create_time: Time::from_micros(row.create_time),
        resolve_time: Time::from_micros(row.resolve_time),
        step_seq: row.step_seq,
    })
}

/// How long points live in a wallet that a redemption has left, as a text that others may follow.
pub(super) fn stay_text(Stay { alive: Alive { since, until }, left }: &Stay) -> String {
    format!("{}:{}:{};", since.micros(), until.micros(), left.micros())
}

fn stays(text: &str) -> Option<Vec<Stay>> {
    let one = |text: &str| {
        let mut moments = text.splitn(3, ':').map(|moment| moment.parse().ok().map(Time::from_micros));
        let mut moment = || moments.next().flatten();
        Some(Stay { alive: Alive { since: moment()?, until: moment()? }, left: moment()? })
    };
    text.split_terminator(';').map(one).collect()
}

pub(super) fn row(owner: &Owner, redemption: &Redemption) -> redemption::Model {
    let detail = Detail {
        price_id: redemption.price_id.clone(),
        money: redemption.money,
        amount: redemption.amount,
        worth: redemption.worth,
        limited: redemption.limited,
        codes: redemption.codes.clone(),
    };
    let told = detail != Detail::default();
    redemption::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        wallet_id: owner.id(),
        redemption_id: redemption.id,
        member_id: redemption.member_id,
        program_id: redemption.program_id.clone(),
        reward_id: redemption.reward_id.clone(),
        reward_version: redemption.reward_version,
        quantity: redemption.quantity,
        quantity_captured: redemption.quantity_captured,
        supply: redemption.supply as i32,
        // Texts and numbers always are a text.
        detail: if told { serde_json::to_string(&detail).unwrap_or_default() } else { String::new() },
        state: redemption.state as i32,
        points_held: redemption.points,
        points_captured: redemption.captured,
        points_refunded: redemption.refunded,
        hold_expire_time: redemption.hold_expire_time.micros(),
        create_time: redemption.create_time.micros(),
        resolve_time: redemption.resolve_time.micros(),
        currency: redemption.currency.clone(),
        purse: i32::try_from(redemption.purse).unwrap_or(0),
        // Pairs of numbers always are a text.
        lots: serde_json::to_string(&redemption.lots).unwrap_or_default(),
        lots_wallet_id: redemption.lots_wallet_id.unwrap_or_default(),
        stays: redemption.stays.iter().map(stay_text).collect(),
        step_seq: redemption.step_seq,
    }
}

fn step(row: redemption_step::Model) -> Result<Step, db::Error> {
    let damaged = || db::Error::Damaged(format!("step {} of {}", row.number, row.redemption_id));
    Ok(Step {
        redemption_id: row.redemption_id,
        number: row.number,
        kind: StepKind::from_number(row.kind).ok_or_else(damaged)?,
        points: row.points,
        quantity: row.quantity,
        hold_expire_time: Time::from_micros(row.hold_expire_time),
        note: row.note,
        effective_time: Time::from_micros(row.effective_time),
        create_time: Time::from_micros(row.create_time),
    })
}

pub(super) fn step_row(owner: &Owner, step: &Step) -> redemption_step::Model {
    redemption_step::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        wallet_id: owner.id(),
        redemption_id: step.redemption_id,
        number: step.number,
        kind: step.kind as i32,
        points: step.points,
        quantity: step.quantity,
        hold_expire_time: step.hold_expire_time.micros(),
        note: step.note.clone(),
        effective_time: step.effective_time.micros(),
        create_time: step.create_time.micros(),
    }
}
