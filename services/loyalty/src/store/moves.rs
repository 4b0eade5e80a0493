//! What changes hands when a member moves to another wallet: who comes along, and whose rows these are.

use std::collections::BTreeMap;

use ambient::Time;
use db::sea_orm::sea_query::Expr;
use db::sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Statement, Value};
use db::{Owner, Tx};
use uuid::Uuid;

use super::activities;
use super::entity::{activity, lot, wallet};
use super::nil;
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
        self.bury(tx).await?;
        self.renumber(tx).await?;
        self.tell_members(tx).await
    }

    async fn hand_over(&self, tx: &Tx) -> Result<(), db::Error> {
        const ACTIVITY: &str = "UPDATE activity SET bucket = $1, wallet_id = $2, expired_before = \
             expired_before + COALESCE((SELECT CAST(SUM(l.expired) AS BIGINT) FROM lot l WHERE l.bucket = $3 \
             AND l.tenant_id = $4 AND l.wallet_id = $5 AND l.lot_number >= activity.lot_first \
             AND l.lot_number < activity.lot_first + activity.lot_count), 0) \
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
        const COUNTERS: &str = "UPDATE member_counter SET bucket = $1, wallet_id = $2 \
             WHERE bucket = $3 AND tenant_id = $4 AND wallet_id = $5 AND member_id = $6";
        let redemption = REDEMPTION.replace("NIL", nil(tx.get_database_backend()));
        for member_id in &self.rows.members {
            for sql in [ACTIVITY, STEPS, &redemption, COUNTERS] {
                let mut values: Vec<Value> = vec![self.to.bucket().into(), self.to.id().into()];
                values.extend(self.from.key_with([(*member_id).into()]));
                run(tx, sql, values).await?;
            }
        }
        Ok(())
    }

    /// What expired before a move stays expired: its activity does not owe it any more.
    async fn bury(&self, tx: &Tx) -> Result<(), db::Error> {
        const EXPIRED: &str = "UPDATE lot SET returned = 1 WHERE bucket = $1 AND tenant_id = $2 \
             AND wallet_id = $3 AND expired > 0 AND returned = 0 AND (member_id = $4 OR wallet_id = $4)";
        for member_id in &self.rows.members {
            run(tx, EXPIRED, self.from.key_with([(*member_id).into()])).await?;
        }
        Ok(())
    }

    /// Says which lots of the new wallet activities have.
    async fn renumber(&self, tx: &Tx) -> Result<(), db::Error> {
        const LOTS: [activity::Column; 2] = [activity::Column::LotFirst, activity::Column::LotCount];
        let main = self.rows.lots.iter().filter(|((_, purse), _)| *purse == 0);
        let row = |((id, _), lots): (&(Uuid, u32), &(i64, i64))| {
            activities::renumbered(&self.to, *id, *lots, &Vec::new())
        };
        let rows: Vec<activity::Model> = main.map(row).collect();
        db::bulk_update::<activity::Entity>(tx, &rows, &LOTS).await?;
        self.renumber_further(tx).await
    }

    /// The same of further currencies, with what expired of them before the move.
    async fn renumber_further(&self, tx: &Tx) -> Result<(), db::Error> {
        if self.rows.further.is_empty() {
            return Ok(());
        }
        let select = lot::Entity::find()
            .select_only()
            .columns([lot::Column::LotNumber, lot::Column::Expired])
            .filter(lot::Column::Bucket.eq(self.from.bucket()))
            .filter(lot::Column::TenantId.eq(self.from.tenant().id()))
            .filter(lot::Column::WalletId.eq(self.from.id()))
            .filter(lot::Column::Purse.gt(0))
            .filter(lot::Column::Expired.gt(0));
        let expired: Vec<(i64, i64)> = select.into_tuple().all(tx).await?;
        let expired: BTreeMap<i64, i64> = expired.into_iter().collect();
        let moved = |id: Uuid, earning: &Earning| {
            let gone = expired.range(earning.lot_numbers()).map(|(_, points)| *points);
            let expired_before = gone.fold(earning.expired_before, i64::saturating_add);
            let lots = self.rows.lots.get(&(id, earning.purse)).copied().unwrap_or(earning.lots);
            Earning { expired_before, lots, ..*earning }
        };
        let row = |(id, earned): (&Uuid, &Vec<Earning>)| {
            let earned = earned.iter().map(|earning| moved(*id, earning)).collect();
            activities::renumbered(&self.to, *id, (0, 0), &earned)
        };
        let rows: Vec<activity::Model> = self.rows.further.iter().map(row).collect();
        db::bulk_update::<activity::Entity>(tx, &rows, &[activity::Column::Earned]).await
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
