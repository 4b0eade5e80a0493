//! Recipient rows: the locks of everything that is numbered by a recipient.

use std::collections::HashMap;

use db::sea_orm::ConnectionTrait;
use db::{Keyed, OWNER_TYPES, Owner, Pick, Tx, select_in};

use super::OWNER;
use super::entity::recipient;
use crate::domain::Inbox;

/// Makes sure that the recipients have rows, then locks them as [`lock`] does. Sorted owners do not deadlock.
///
/// # Errors
/// That the database refused.
pub async fn open(tx: &Tx, owners: &[Owner]) -> Result<HashMap<Owner, Inbox>, db::Error> {
    const KEEP: &str = "ON CONFLICT (bucket, tenant_id, recipient_id) DO NOTHING";
    let rows: Vec<_> = owners.iter().map(|owner| row(owner, &Inbox::default())).collect();
    db::bulk_upsert::<recipient::Entity>(tx, &rows, KEEP).await?;
    lock(tx, owners).await
}

/// Loads recipients and, on PostgreSQL, locks their rows in the owners' order until the transaction ends.
/// Who never got a message is not in the result. Anything else about these recipients must be read in a
/// later statement: one that waited for a lock still sees other tables as they were before.
///
/// # Errors
/// That the database refused.
pub async fn lock(tx: &Tx, owners: &[Owner]) -> Result<HashMap<Owner, Inbox>, db::Error> {
    load(tx, owners, Pick::Locked).await
}

/// Loads one recipient without locking it; empty if there never was a message.
///
/// # Errors
/// That the database refused.
pub async fn find(db: &impl ConnectionTrait, owner: &Owner) -> Result<Inbox, db::Error> {
    Ok(load(db, std::slice::from_ref(owner), Pick::All).await?.remove(owner).unwrap_or_default())
}

async fn load(
    db: &impl ConnectionTrait,
    owners: &[Owner],
    pick: Pick,
) -> Result<HashMap<Owner, Inbox>, db::Error> {
    let select = Keyed {
        table: "recipient",
        on: &OWNER,
        types: &OWNER_TYPES,
        filter: "",
        order: "t.bucket, t.tenant_id, t.recipient_id",
        pick,
        more: "",
    };
    let keys: Vec<_> = owners.iter().map(Owner::key).collect();
    let rows: Vec<recipient::Model> = select_in(db, select, &keys).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let owner = Owner::of_row(row.bucket, &row.tenant_id, row.recipient_id);
            (owner, Inbox { seq: row.seq, unread: row.unread, version: row.version })
        })
        .collect())
}

/// Writes the numbers of locked recipients.
///
/// # Errors
/// That the database refused.
pub async fn update(tx: &Tx, inboxes: &[(Owner, Inbox)]) -> Result<(), db::Error> {
    use recipient::Column as C;
    let rows: Vec<_> = inboxes.iter().map(|(owner, inbox)| row(owner, inbox)).collect();
    db::bulk_update::<recipient::Entity>(tx, &rows, &[C::Seq, C::Unread, C::Version]).await
}

fn row(owner: &Owner, inbox: &Inbox) -> recipient::Model {
    recipient::Model {
        bucket: owner.bucket(),
        tenant_id: owner.tenant().id().to_owned(),
        recipient_id: owner.id(),
        seq: inbox.seq,
        unread: inbox.unread,
        version: inbox.version,
    }
}
