//! Message rows.

use std::collections::{HashMap, HashSet};

use ambient::Time;
use db::sea_orm::sea_query::{ArrayType, Expr};
use db::sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
};
use db::{Keyed, OWNER_TYPES, Owner, Pick, Tx, select_in};
use uuid::Uuid;

use super::entity::message;
use crate::domain::{Message, Rendered};

/// Spelled out rather than bound, so that the index of unread messages is found.
const UNREAD: &str = "read_time = 9223372036854775807";

const BY_ID: [&str; 4] = ["bucket", "tenant_id", "recipient_id", "notification_id"];
const BY_SEQ: [&str; 4] = ["bucket", "tenant_id", "recipient_id", "seq"];

fn keyed<'a>(on: &'a [&'a str], types: &'a [ArrayType]) -> Keyed<'a> {
    Keyed { table: "message", on, types, filter: "", order: "", pick: Pick::All, more: "" }
}

fn types(last: ArrayType) -> Vec<ArrayType> {
    OWNER_TYPES.into_iter().chain([last]).collect()
}

/// Which of these messages exist.
///
/// # Errors
/// That the database refused.
pub async fn existing(db: &impl ConnectionTrait, ids: &[(Owner, Uuid)]) -> Result<HashSet<Uuid>, db::Error> {
    #[derive(FromQueryResult)]
    struct Found {
        notification_id: Uuid,
    }
    let keys: Vec<_> = ids.iter().map(|(owner, id)| owner.key_with([(*id).into()])).collect();
    let rows: Vec<Found> = select_in(db, keyed(&BY_ID, &types(ArrayType::Uuid)), &keys).await?;
    Ok(rows.into_iter().map(|row| row.notification_id).collect())
}

/// Finds messages of a recipient by their ids, in no order. What does not exist is not in the result.
///
/// # Errors
/// That the database refused.
pub async fn find(db: &impl ConnectionTrait, owner: &Owner, ids: &[Uuid]) -> Result<Vec<Message>, db::Error> {
    let keys: Vec<_> = ids.iter().map(|id| owner.key_with([(*id).into()])).collect();
    let rows: Vec<message::Model> = select_in(db, keyed(&BY_ID, &types(ArrayType::Uuid)), &keys).await?;
    Ok(rows.into_iter().map(domain).collect())
}

/// Loads messages of several recipients by their numbers.
///
/// # Errors
/// That the database refused.
pub async fn load(
    db: &impl ConnectionTrait,
    places: &[(Owner, i64)],
) -> Result<HashMap<(Owner, i64), Message>, db::Error> {
    let keys: Vec<_> = places.iter().map(|(owner, seq)| owner.key_with([(*seq).into()])).collect();
    let rows: Vec<message::Model> = select_in(db, keyed(&BY_SEQ, &types(ArrayType::BigInt)), &keys).await?;
    let place = |row: &message::Model| (Owner::of_row(row.bucket, &row.tenant_id, row.recipient_id), row.seq);
    Ok(rows.into_iter().map(|row| (place(&row), domain(row))).collect())
}

/// One page of a recipient's messages with numbers below `before`, newest first.
///
/// # Errors
/// That the database refused.
pub async fn page(
    db: &impl ConnectionTrait,
    owner: &Owner,
    before: i64,
    unread_only: bool,
    limit: u64,
) -> Result<Vec<Message>, db::Error> {
    let mut select = message::Entity::find()
        .filter(message::Column::Bucket.eq(owner.bucket()))
        .filter(message::Column::TenantId.eq(owner.tenant().id()))
        .filter(message::Column::RecipientId.eq(owner.id()))
        .filter(message::Column::Seq.lt(before));
    if unread_only {
        select = select.filter(Expr::cust(UNREAD));
    }
    let rows = select.order_by_desc(message::Column::Seq).limit(limit).all(db).await?;
    Ok(rows.into_iter().map(domain).collect())
}

/// Writes new messages. Their recipients are locked.
///
/// # Errors
/// `Constraint` if one of them exists.
pub async fn insert(tx: &Tx, messages: &[(Owner, Message)]) -> Result<(), db::Error> {
    let rows: Vec<_> = messages.iter().map(|(owner, message)| row(owner, message)).collect();
    db::bulk_insert::<message::Entity>(tx, &rows).await
}

/// Writes when messages were read. Their recipient is locked.
///
/// # Errors
/// That the database refused.
pub async fn mark_read(tx: &Tx, owner: &Owner, messages: &[Message]) -> Result<(), db::Error> {
    let rows: Vec<_> = messages.iter().map(|message| row(owner, message)).collect();
    db::bulk_update::<message::Entity>(tx, &rows, &[message::Column::ReadTime]).await
}

/// Marks the unread messages up to a number as read and returns how many there were. Their recipient is
/// locked.
///
/// # Errors
/// That the database refused.
pub async fn mark_read_up_to(tx: &Tx, owner: &Owner, up_to_seq: i64, now: Time) -> Result<i64, db::Error> {
    let updated = message::Entity::update_many()
        .col_expr(message::Column::ReadTime, Expr::value(now.micros()))
        .filter(message::Column::Bucket.eq(owner.bucket()))
        .filter(message::Column::TenantId.eq(owner.tenant().id()))
        .filter(message::Column::RecipientId.eq(owner.id()))
        .filter(message::Column::Seq.lte(up_to_seq))
        .filter(Expr::cust(UNREAD))
        .exec(tx)
        .await?;
    i64::try_from(updated.rows_affected).map_err(|e| db::Error::Damaged(e.to_string()))
}

fn domain(row: message::Model) -> Message {
    Message {
        id: row.notification_id,
        seq: row.seq,
        template_id: row.template_id,
        template_version: row.template_version,
        text: Rendered { subject: row.subject, body: row.body },
        event_id: row.event_id,
        create_time: Time::from_micros(row.create_time),
        read_time: Time::from_micros(row.read_time),
    }
}

fn row(owner: &Owner, message: &Message) -> message::Model {
    message::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        recipient_id: owner.id(),
        seq: message.seq,
        notification_id: message.id,
        template_id: message.template_id.clone(),
        template_version: message.template_version,
        subject: message.text.subject.clone(),
        body: message.text.body.clone(),
        event_id: message.event_id,
        create_time: message.create_time.micros(),
        read_time: message.read_time.micros(),
    }
}
