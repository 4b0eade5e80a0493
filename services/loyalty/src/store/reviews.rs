//! Review rows.

use std::collections::HashMap;

use ambient::Time;
use db::sea_orm::sea_query::{ArrayType, Expr};
use db::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use db::{Keyed, Owner, Pick, Tenant, Tx, select_in};
use uuid::Uuid;

use super::entity::review;
use crate::domain::{Review, ReviewState};

/// Finds reviews by the requests that wait.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn find(
    db: &impl ConnectionTrait,
    wanted: &[(Owner, Uuid)],
) -> Result<HashMap<(Owner, Uuid), Review>, db::Error> {
    let select = Keyed {
        table: "review",
        on: &["bucket", "tenant_id", "wallet_id", "review_id"],
        types: &[ArrayType::Int, ArrayType::String, ArrayType::Uuid, ArrayType::Uuid],
        filter: "",
        order: "",
        pick: Pick::All,
        more: "",
    };
    let keys: Vec<_> = wanted.iter().map(|(owner, id)| owner.key_with([(*id).into()])).collect();
    let rows: Vec<review::Model> = select_in(db, select, &keys).await?;
    let found = rows.into_iter().map(|row| {
        let (owner, review) = domain(row)?;
        Ok(((owner, review.id), review))
    });
    found.collect()
}

/// One page of a program's reviews in a state, after one of them, by when they began and by id.
///
/// # Errors
/// As [`find`].
pub async fn page(
    db: &impl ConnectionTrait,
    (tenant, program_id): (&Tenant, &str),
    state: ReviewState,
    (time, id): (Time, Uuid),
    limit: u64,
) -> Result<Vec<(Owner, Review)>, db::Error> {
    use review::Column as C;
    let same = Condition::all().add(C::CreateTime.eq(time.micros())).add(C::ReviewId.gt(id));
    let rows = review::Entity::find()
        .filter(C::TenantId.eq(tenant.id()))
        .filter(C::ProgramId.eq(program_id))
        .filter(C::State.eq(state as i32))
        .filter(Condition::any().add(C::CreateTime.gt(time.micros())).add(same))
        .order_by_asc(C::CreateTime)
        .order_by_asc(C::ReviewId)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(domain).collect()
}

/// One page of the reviews of what a wallet was named in, with ids above `after`, by id.
///
/// # Errors
/// As [`find`].
pub async fn of_wallet(
    db: &impl ConnectionTrait,
    owner: &Owner,
    after: Uuid,
    limit: u64,
) -> Result<Vec<(Owner, Review)>, db::Error> {
    use review::Column as C;
    let rows = review::Entity::find()
        .filter(C::Bucket.eq(owner.bucket()))
        .filter(C::TenantId.eq(owner.tenant().id()))
        .filter(C::WalletId.eq(owner.id()))
        .filter(C::ReviewId.gt(after))
        .order_by_asc(C::ReviewId)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(domain).collect()
}

/// Writes new reviews.
pub(super) async fn insert(tx: &Tx, reviews: &[(Owner, Review)]) -> Result<(), db::Error> {
    let rows: Vec<_> = reviews.iter().map(|(owner, review)| row(owner, review)).collect();
    db::bulk_insert::<review::Entity>(tx, &rows).await
}

/// Writes what became of reviews.
pub(super) async fn update(tx: &Tx, reviews: &[(Owner, Review)]) -> Result<(), db::Error> {
    use review::Column as C;
    let rows: Vec<_> = reviews.iter().map(|(owner, review)| row(owner, review)).collect();
    db::bulk_update::<review::Entity>(tx, &rows, &[C::State, C::DecideTime, C::DecidedBy, C::Note]).await
}

/// Removes what was said about the reviews of a wallet.
pub(super) async fn forget(tx: &Tx, owner: &Owner) -> Result<(), db::Error> {
    review::Entity::update_many()
        .col_expr(review::Column::Note, Expr::value(""))
        .filter(review::Column::Bucket.eq(owner.bucket()))
        .filter(review::Column::TenantId.eq(owner.tenant().id()))
        .filter(review::Column::WalletId.eq(owner.id()))
        .exec(tx)
        .await?;
    Ok(())
}

fn row(owner: &Owner, review: &Review) -> review::Model {
    review::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        wallet_id: owner.id(),
        review_id: review.id,
        program_id: review.program_id.clone(),
        limit_id: review.limit_id.clone(),
        state: review.state as i32,
        create_time: review.create_time.micros(),
        decide_time: review.decide_time.micros(),
        decided_by: review.decided_by.clone(),
        note: review.note.clone(),
        // Texts and numbers always are a text.
        asked: review.asked.as_ref().and_then(|asked| serde_json::to_string(asked).ok()).unwrap_or_default(),
    }
}

fn domain(row: review::Model) -> Result<(Owner, Review), db::Error> {
    let damaged = |what: &str| db::Error::Damaged(format!("{what} of review {}", row.review_id));
    let state = ReviewState::from_number(row.state).ok_or_else(|| damaged("state"))?;
    let asked = match row.asked.as_str() {
        "" => None,
        text => Some(serde_json::from_str(text).map_err(|_| damaged("asked"))?),
    };
    let owner = Owner::of_row(row.bucket, &row.tenant_id, row.wallet_id);
    let review = Review {
        id: row.review_id,
        program_id: row.program_id,
        limit_id: row.limit_id,
        asked,
        state,
        create_time: Time::from_micros(row.create_time),
        decide_time: Time::from_micros(row.decide_time),
        decided_by: row.decided_by,
        note: row.note,
    };
    Ok((owner, review))
}
