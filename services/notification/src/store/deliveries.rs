//! Delivery rows, as their messages see them.

use std::collections::HashMap;

use db::sea_orm::ConnectionTrait;
use db::sea_orm::sea_query::ArrayType;
use db::{Keyed, OWNER_TYPES, Owner, Pick, Tx, select_in};
use uuid::Uuid;

use super::entity::delivery;
use crate::domain::{Channel, Delivery, DeliveryState, Message, Notice};

/// The deliveries of a recipient's messages by their numbers, each by channel.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn of(
    db: &impl ConnectionTrait,
    owner: &Owner,
    messages: &[Message],
) -> Result<HashMap<i64, Vec<Delivery>>, db::Error> {
    let [bucket, tenant, recipient] = OWNER_TYPES;
    let select = Keyed {
        table: "delivery",
        on: &["bucket", "tenant_id", "recipient_id", "seq"],
        types: &[bucket, tenant, recipient, ArrayType::BigInt],
        filter: "",
        order: "t.seq, t.channel",
        pick: Pick::All,
        more: "",
    };
    let keys: Vec<_> = messages.iter().map(|message| owner.key_with([message.seq.into()])).collect();
    let rows: Vec<delivery::Model> = select_in(db, select, &keys).await?;
    let mut found: HashMap<i64, Vec<Delivery>> = HashMap::with_capacity(messages.len());
    for row in rows {
        found.entry(row.seq).or_default().push(domain(&row)?);
    }
    Ok(found)
}

/// Writes the deliveries that new messages begin with.
///
/// # Errors
/// `Constraint` if one of them exists.
pub async fn insert(tx: &Tx, notices: &[(Owner, Notice)]) -> Result<(), db::Error> {
    let rows: Vec<_> = notices
        .iter()
        .flat_map(|(owner, notice)| notice.deliveries.iter().map(|d| row(owner, &notice.message, d)))
        .collect();
    db::bulk_insert::<delivery::Entity>(tx, &rows).await
}

pub(super) fn domain(row: &delivery::Model) -> Result<Delivery, db::Error> {
    let damaged =
        |what: &str| db::Error::Damaged(format!("a delivery of message {}: {what}", row.notification_id));
    Ok(Delivery {
        channel: Channel::from_number(row.channel).ok_or_else(|| damaged("channel"))?,
        state: DeliveryState::from_number(row.state).ok_or_else(|| damaged("state"))?,
        attempt: row.attempt,
    })
}

fn row(owner: &Owner, message: &Message, delivery: &Delivery) -> delivery::Model {
    delivery::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        recipient_id: owner.id(),
        seq: message.seq,
        channel: delivery.channel as i32,
        notification_id: message.id,
        state: delivery.state as i32,
        attempt: delivery.attempt,
        create_time: message.create_time.micros(),
        lease_owner: Uuid::nil(),
        lease_until: 0,
        file_offset: 0,
    }
}
