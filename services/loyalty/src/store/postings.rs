//! Posting rows and their allocations to lots.

use ambient::Time;
use db::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use db::{Owner, Tenant};
use uuid::Uuid;

use super::entity::{allocation, posting};
use super::nil;
use super::spans::{self, Span};
use crate::domain::{Account, Allocation, Posting, Reason, Source};

/// A posting, and the request by which it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// What moved.
    pub posting: Posting,
    /// Nil for what the service did by itself.
    pub request_id: Uuid,
}

/// Which postings of a wallet; all unless it says otherwise.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// For one of these reasons; none: for any.
    pub reasons: Vec<Reason>,
    /// Of this purse.
    pub purse: Option<u32>,
    /// That took effect at this moment or later.
    pub since: Option<Time>,
    /// That took effect before this moment.
    pub before: Option<Time>,
    /// By this activity.
    pub activity_id: Option<Uuid>,
    /// By this redemption.
    pub redemption_id: Option<Uuid>,
    /// By this request.
    pub request_id: Option<Uuid>,
}

impl Selection {
    fn condition(&self) -> Condition {
        use posting::Column as C;
        let reasons = self.reasons.iter().map(|reason| *reason as i32);
        let purse = self.purse.map(|purse| C::Purse.eq(i32::try_from(purse).unwrap_or(i32::MAX)));
        Condition::all()
            .add_option((!self.reasons.is_empty()).then(|| C::Reason.is_in(reasons)))
            .add_option(purse)
            .add_option(self.since.map(|since| C::EffectiveTime.gte(since.micros())))
            .add_option(self.before.map(|before| C::EffectiveTime.lt(before.micros())))
            .add_option(self.activity_id.map(|id| C::ActivityId.eq(id)))
            .add_option(self.redemption_id.map(|id| C::RedemptionId.eq(id)))
            .add_option(self.request_id.map(|id| C::RequestId.eq(id)))
    }
}

/// One page of a wallet's postings with numbers below `before`, newest first.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that names an unknown account.
pub async fn page(
    db: &impl ConnectionTrait,
    owner: &Owner,
    selection: &Selection,
    before: i64,
    limit: u64,
) -> Result<Vec<Recorded>, db::Error> {
    let rows = posting::Entity::find()
        .filter(posting::Column::Bucket.eq(owner.bucket()))
        .filter(posting::Column::TenantId.eq(owner.tenant().id()))
        .filter(posting::Column::WalletId.eq(owner.id()))
        .filter(posting::Column::Seq.lt(before))
        .filter(selection.condition())
        .order_by_desc(posting::Column::Seq)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(domain).collect()
}

/// Wallets other than the own one in which a member has acted.
///
/// # Errors
/// That the database refused.
pub async fn elsewhere(
    db: &impl ConnectionTrait,
    tenant: &Tenant,
    member_id: Uuid,
) -> Result<Vec<Owner>, db::Error> {
    let backend = db.get_database_backend();
    let nil = nil(backend);
    // In the words of the partial index.
    let sql = format!(
        "SELECT DISTINCT wallet_id FROM posting WHERE tenant_id = $1 AND actor_member_id = $2 \
         AND actor_member_id <> wallet_id AND actor_member_id <> {nil}"
    );
    let statement = Statement::from_sql_and_values(backend, sql, [tenant.id().into(), member_id.into()]);
    let rows = db.query_all_raw(statement).await?;
    rows.iter().map(|row| Ok(Owner::new(tenant, row.try_get("", "wallet_id")?))).collect()
}

/// Postings of spans, each with its wallet, that were recorded at a moment or later and before another one.
///
/// # Errors
/// As [`page`].
pub async fn of_spans(
    db: &impl ConnectionTrait,
    spans: &[Span],
    (since, before): (Time, Time),
) -> Result<Vec<(Uuid, Recorded)>, db::Error> {
    const RECORDED: &str = " AND t.create_time >= k.c5 AND t.create_time < k.c6";
    let within = [since.micros(), before.micros()];
    let rows: Vec<posting::Model> = spans::rows(db, ("posting", "seq"), spans, RECORDED, &within).await?;
    rows.into_iter().map(|row| Ok((row.wallet_id, domain(row)?))).collect()
}

fn domain(row: posting::Model) -> Result<Recorded, db::Error> {
    let damaged = |what: &str| db::Error::Damaged(format!("posting {} of a wallet has no {what}", row.seq));
    let request_id = row.request_id;
    let posting = Posting {
        seq: row.seq,
        purse: u32::try_from(row.purse).map_err(|_| damaged("purse"))?,
        debit: Account::from_number(row.debit).ok_or_else(|| damaged("debit account"))?,
        credit: Account::from_number(row.credit).ok_or_else(|| damaged("credit account"))?,
        points: row.points,
        reason: Reason::from_number(row.reason).ok_or_else(|| damaged("reason"))?,
        effective_time: Time::from_micros(row.effective_time),
        create_time: Time::from_micros(row.create_time),
        source: Source {
            actor_member_id: row.actor_member_id,
            activity_id: row.activity_id,
            redemption_id: row.redemption_id,
            rule_version: row.rule_version,
            note: row.note,
            other_wallet_id: row.other_wallet_id,
        },
    };
    Ok(Recorded { posting, request_id })
}

pub(super) fn row(owner: &Owner, request_id: Uuid, posting: &Posting) -> posting::Model {
    posting::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        wallet_id: owner.id(),
        seq: posting.seq,
        debit: posting.debit as i32,
        credit: posting.credit as i32,
        points: posting.points,
        reason: posting.reason as i32,
        effective_time: posting.effective_time.micros(),
        create_time: posting.create_time.micros(),
        request_id,
        actor_member_id: posting.source.actor_member_id,
        activity_id: posting.source.activity_id,
        redemption_id: posting.source.redemption_id,
        rule_version: posting.source.rule_version,
        note: posting.source.note.clone(),
        other_wallet_id: posting.source.other_wallet_id,
        purse: i32::try_from(posting.purse).unwrap_or(i32::MAX),
    }
}

pub(super) fn allocation_row(owner: &Owner, allocation: &Allocation) -> allocation::Model {
    allocation::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        wallet_id: owner.id(),
        posting_seq: allocation.posting_seq,
        lot_number: allocation.lot_number,
        points: allocation.points,
        effective_time: allocation.effective_time.micros(),
        credit: i32::from(allocation.credit),
    }
}
