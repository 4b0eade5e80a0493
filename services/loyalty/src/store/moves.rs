//! What changes hands when a member moves to another wallet: who comes along, and whose rows these are.

use std::collections::BTreeMap;

use ambient::Time;
use db::sea_orm::sea_query::Expr;
use db::sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Statement, Value};
use db::{Owner, Tx};
use uuid::Uuid;

use super::entity::{activity, lot, wallet};
use super::{activities, lots, nil, redemptions};
use crate::domain::{Activity, Belongings, Destination, Earning, HandedOver, MoveMember};

/// A move, as it is written.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub(super) member_id: Uuid,
    pub(super) from: Owner,
    pub(super) to: Owner,
    pub(super) destination: Destination,
    pub(super) rows: HandedOver,
    pub(super) now: Time,
}

/// What belongs to a member whose points are in the wallet `at`: what was done in its name, and in those of
/// all who were merged into it, one after the other.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn belongings(tx: &Tx, at: &Owner, command: &MoveMember) -> Result<Belongings, db::Error> {
    // Written out, because a parameter would hide from the planner that the partial index holds the row.
    let moved = format!("moved_to <> {}", nil(tx.get_database_backend()));
    let mut members = vec![command.member_id];
    let mut next = 0;
    while let Some(id) = members.get(next).copied() {
        let merged: Vec<Uuid> = wallet::Entity::find()
            .select_only()
            .column(wallet::Column::WalletId)
            .filter(wallet::Column::TenantId.eq(at.tenant().id()))
            .filter(wallet::Column::MovedTo.eq(id))
            .filter(Expr::cust(moved.clone()))
            .into_tuple()
            .all(tx)
            .await?;
        members.extend(merged);
        next += 1;
    }
    let rows = activity::Entity::find()
        .filter(activity::Column::Bucket.eq(at.bucket()))
        .filter(activity::Column::TenantId.eq(at.tenant().id()))
        .filter(activity::Column::WalletId.eq(at.id()))
        .filter(activity::Column::MemberId.is_in(members.iter().copied()))
        .all(tx)
        .await?;
    let activities: Result<Vec<Activity>, db::Error> = rows.into_iter().map(activities::domain).collect();
    Ok(Belongings { members, activities: activities? })
}

impl Move {
    /// Hands the rows over. Everything else of the batch is written already.
    pub(super) async fn write(&self, tx: &Tx) -> Result<(), db::Error> {
        self.hand_over(tx).await?;
        self.remember_expired(tx).await?;
        self.leave_lots(tx).await?;
        self.tell_members(tx).await
    }

    async fn hand_over(&self, tx: &Tx) -> Result<(), db::Error> {
        const ACTIVITY: &str = "UPDATE activity SET bucket = $1, wallet_id = $2 \
             WHERE bucket = $3 AND tenant_id = $4 AND wallet_id = $5 AND member_id = $6";
        const STEPS: &str = "UPDATE redemption_step SET bucket = $1, wallet_id = $2 WHERE bucket = $3 \
             AND tenant_id = $4 AND wallet_id = $5 AND redemption_id IN (SELECT r.redemption_id \
             FROM redemption r WHERE r.bucket = $3 AND r.tenant_id = $4 AND r.wallet_id = $5 \
             AND r.member_id = $6)";
        // The lots of the first wallet stay those that the points came from.
        const REDEMPTION: &str = "UPDATE redemption SET bucket = $1, wallet_id = $2, lots_wallet_id = \
             CASE lots_wallet_id WHEN NIL THEN $5 ELSE lots_wallet_id END \
             WHERE bucket = $3 AND tenant_id = $4 AND wallet_id = $5 AND member_id = $6";
        // No rows are in the way: a name counts in the one wallet where its points are.
        const COUNTERS: &str = "UPDATE member_count SET bucket = $1, wallet_id = $2 \
             WHERE bucket = $3 AND tenant_id = $4 AND wallet_id = $5 AND member_id = $6";
        // What comes back later ends as it would have here.
        const STAYED: &str = "UPDATE redemption SET stays = stays || $5 \
             WHERE bucket = $1 AND tenant_id = $2 AND wallet_id = $3 AND member_id = $4 AND purse = $6";
        let redemption = REDEMPTION.replace("NIL", nil(tx.get_database_backend()));
        for member_id in &self.rows.members {
            for (purse, stay) in &self.rows.stays {
                let purse = i32::try_from(*purse).unwrap_or(i32::MAX);
                let values = [(*member_id).into(), redemptions::stay_text(stay).into(), purse.into()];
                run(tx, STAYED, self.from.key_with(values)).await?;
            }
            for sql in [ACTIVITY, STEPS, &redemption, COUNTERS] {
                let mut values: Vec<Value> = vec![self.to.bucket().into(), self.to.id().into()];
                values.extend(self.from.key_with([(*member_id).into()]));
                run(tx, sql, values).await?;
            }
        }
        Ok(())
    }

    /// Activities have other lots where they are now, and remember what expired of those that they had: it
    /// is not owed.
    async fn remember_expired(&self, tx: &Tx) -> Result<(), db::Error> {
        let select = lot::Entity::find()
            .filter(lot::Column::Bucket.eq(self.from.bucket()))
            .filter(lot::Column::TenantId.eq(self.from.tenant().id()))
            .filter(lot::Column::WalletId.eq(self.from.id()))
            .filter(lot::Column::Expired.gt(0))
            .filter(lot::Column::LeftBehind.eq(0));
        let mut expired: BTreeMap<((Uuid, Uuid), u32), i64> = BTreeMap::new();
        for lot in select.all(tx).await?.into_iter().map(lots::domain) {
            let of_activity = expired.entry(((lot.member_id, lot.activity_id), lot.key.purse)).or_default();
            *of_activity = of_activity.saturating_add(lot.expired);
        }
        let moved = |of: (Uuid, Uuid), earning: &Earning| {
            let more = expired.get(&(of, earning.purse)).copied().unwrap_or(0);
            let expired_before = earning.expired_before.saturating_add(more);
            Earning { expired_before, lots: (0, 0), ..*earning }
        };
        let row = |(of, earned): (&(Uuid, Uuid), &Vec<Earning>)| {
            let earned: Vec<Earning> = earned.iter().map(|earning| moved(*of, earning)).collect();
            activities::earned_row(&self.to, of.1, &earned)
        };
        let rows: Vec<activity::Model> = self.rows.earned.iter().map(row).collect();
        db::bulk_update::<activity::Entity>(tx, &rows, &activities::EARNED).await
    }

    /// What expired before a move stays expired, and what was spent does not come back to these lots.
    async fn leave_lots(&self, tx: &Tx) -> Result<(), db::Error> {
        const LEFT: &str = "UPDATE lot SET left_behind = 1 WHERE bucket = $1 AND tenant_id = $2 \
             AND wallet_id = $3 AND left_behind = 0 AND (member_id = $4 OR wallet_id = $4)";
        for member_id in &self.rows.members {
            run(tx, LEFT, self.from.key_with([(*member_id).into()])).await?;
        }
        Ok(())
    }

    /// Writes where members are.
    async fn tell_members(&self, tx: &Tx) -> Result<(), db::Error> {
        const WALLET: &str = "UPDATE member SET wallet_id = $4, version = version + 1, update_time = $5 \
             WHERE bucket = $1 AND tenant_id = $2 AND member_id = $3";
        const WAY: &str = "UPDATE member SET merged_into = $4 \
             WHERE bucket = $1 AND tenant_id = $2 AND member_id = $3";
        let key = |id: Uuid| Owner::new(self.to.tenant(), id);
        for member_id in &self.rows.members {
            let values = key(*member_id).key_with([self.to.id().into(), self.now.micros().into()]);
            run(tx, WALLET, values).await?;
        }
        let merged_into = match self.destination {
            Destination::Member(id) => id,
            Destination::Household(..) | Destination::Unmerged | Destination::OutOfHousehold => Uuid::nil(),
        };
        run(tx, WAY, key(self.member_id).key_with([merged_into.into()])).await
    }
}

async fn run(tx: &Tx, sql: &str, values: Vec<Value>) -> Result<(), db::Error> {
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await?;
    Ok(())
}

/// By their members' ids.
pub(super) type Roles = BTreeMap<Owner, i32>;

/// Writes what members may do in their households.
pub(super) async fn change_roles(tx: &Tx, roles: &Roles) -> Result<(), db::Error> {
    const ROLE: &str = "UPDATE member SET role = $4, version = version + 1 \
         WHERE bucket = $1 AND tenant_id = $2 AND member_id = $3";
    for (owner, role) in roles {
        run(tx, ROLE, owner.key_with([(*role).into()])).await?;
    }
    Ok(())
}
