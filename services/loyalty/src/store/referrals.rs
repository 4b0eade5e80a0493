//! Referral rows, one for each friend.

use ambient::Time;
use db::sea_orm::sea_query::Expr;
use db::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, UpdateMany,
};
use db::{Owner, Tenant, Tx};
use uuid::Uuid;

use super::entity::referral;
use crate::domain::{Member, ReferralState, Referred};

/// Who brought whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referral {
    /// The wallet of the friend.
    pub friend: Owner,
    /// The member who brought the friend.
    pub referrer_id: Uuid,
    /// The program of both.
    pub program_id: String,
    /// Where it stands.
    pub state: ReferralState,
    /// The activity that qualified; nil before.
    pub activity_id: Uuid,
    /// When the friend joined.
    pub create_time: Time,
    /// When both are rewarded, or were due to be; `NEVER` before an activity qualified.
    pub due_time: Time,
}

impl Referral {
    /// One that a friend's joining begins.
    pub fn opened(friend: &Owner, referrer_id: Uuid, member: &Member) -> Referral {
        Referral {
            friend: friend.clone(),
            referrer_id,
            program_id: member.program_id.clone(),
            state: ReferralState::Open,
            activity_id: Uuid::nil(),
            create_time: member.create_time,
            due_time: Time::NEVER,
        }
    }
}

/// Writes new referrals.
///
/// # Errors
/// `Constraint` if the friend has one.
pub async fn insert(tx: &Tx, referrals: &[Referral]) -> Result<(), db::Error> {
    let rows: Vec<_> = referrals.iter().map(row).collect();
    db::bulk_insert::<referral::Entity>(tx, &rows).await
}

/// Referrals whose reward is due at `now`, longest due first.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn due(db: &impl ConnectionTrait, now: Time, limit: u64) -> Result<Vec<Referral>, db::Error> {
    let rows = referral::Entity::find()
        // Written out, because a parameter would hide from the planner that the partial index holds the row.
        .filter(Expr::cust("state = 2"))
        .filter(referral::Column::DueTime.lte(now.micros()))
        .order_by_asc(referral::Column::DueTime)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(domain).collect()
}

/// One page of the friends whom a member brought, by their ids.
///
/// # Errors
/// As [`due`].
pub async fn page(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    referrer_id: Uuid,
    after: Uuid,
    limit: u64,
) -> Result<Vec<Referral>, db::Error> {
    let rows = referral::Entity::find()
        .filter(referral::Column::TenantId.eq(tenant.id()))
        .filter(referral::Column::ReferrerId.eq(referrer_id))
        .filter(referral::Column::WalletId.gt(after))
        .order_by_asc(referral::Column::WalletId)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(domain).collect()
}

/// Writes that both were rewarded for what had qualified.
///
/// # Errors
/// That the database refused.
pub async fn reward(tx: &Tx, referral: &Referral) -> Result<(), db::Error> {
    let rewarded = (ReferralState::Rewarded, referral.activity_id, referral.due_time);
    update(&referral.friend, rewarded).exec(tx).await?;
    Ok(())
}

/// Writes that a reward is to be tried again later, unless the referral has changed since it was read.
///
/// # Errors
/// That the database refused.
pub async fn postpone(tx: &Tx, referral: &Referral, due_time: Time) -> Result<(), db::Error> {
    let qualified = (ReferralState::Qualified, referral.activity_id, due_time);
    let unchanged =
        is_qualified(referral.activity_id).add(referral::Column::DueTime.eq(referral.due_time.micros()));
    update(&referral.friend, qualified).filter(unchanged).exec(tx).await?;
    Ok(())
}

/// Writes what commands changed, in their order. Only a referral that is open can be qualified for, and only
/// what qualified can be taken back.
pub(super) async fn change(tx: &Tx, mut changes: Vec<(Owner, Referred)>) -> Result<(), db::Error> {
    changes.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (friend, change) in &changes {
        match change {
            Referred::Open { activity_id } => {
                let open = (ReferralState::Open, Uuid::nil(), Time::NEVER);
                update(friend, open).filter(is_qualified(*activity_id)).exec(tx).await?;
            }
            Referred::Qualified { activity_id, due_time } => {
                let qualified = (ReferralState::Qualified, *activity_id, *due_time);
                let open = referral::Column::State.eq(ReferralState::Open as i32);
                update(friend, qualified).filter(open).exec(tx).await?;
            }
        }
    }
    Ok(())
}

/// It waits for its reward, for this activity.
fn is_qualified(activity_id: Uuid) -> Condition {
    Condition::all()
        .add(referral::Column::State.eq(ReferralState::Qualified as i32))
        .add(referral::Column::ActivityId.eq(activity_id))
}

fn update(
    friend: &Owner,
    (state, activity_id, due_time): (ReferralState, Uuid, Time),
) -> UpdateMany<referral::Entity> {
    referral::Entity::update_many()
        .col_expr(referral::Column::State, Expr::value(state as i32))
        .col_expr(referral::Column::ActivityId, Expr::value(activity_id))
        .col_expr(referral::Column::DueTime, Expr::value(due_time.micros()))
        .filter(referral::Column::Bucket.eq(friend.bucket()))
        .filter(referral::Column::TenantId.eq(friend.tenant().id()))
        .filter(referral::Column::WalletId.eq(friend.id()))
}

fn row(referral: &Referral) -> referral::Model {
    referral::Model {
        bucket: referral.friend.bucket(),
        tenant_id: referral.friend.tenant().id().to_owned(),
        wallet_id: referral.friend.id(),
        referrer_id: referral.referrer_id,
        program_id: referral.program_id.clone(),
        state: referral.state as i32,
        activity_id: referral.activity_id,
        create_time: referral.create_time.micros(),
        due_time: referral.due_time.micros(),
    }
}

fn domain(row: referral::Model) -> Result<Referral, db::Error> {
    let damaged = || db::Error::Damaged(format!("state of the referral of {}", row.wallet_id));
    Ok(Referral {
        friend: Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id),
        state: ReferralState::from_number(row.state).ok_or_else(damaged)?,
        referrer_id: row.referrer_id,
        program_id: row.program_id,
        activity_id: row.activity_id,
        create_time: Time::from_micros(row.create_time),
        due_time: Time::from_micros(row.due_time),
    })
}
