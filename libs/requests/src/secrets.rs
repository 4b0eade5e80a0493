//! Keys that all replicas of a service share.

use ambient::Ids;
use db::Db;
use db::schema::Kind::{Bytes, Text};
use db::schema::NewTable;
use futures::FutureExt;
use rpc::PageTokens;
use sea_orm::EntityTrait;

use crate::entity::secret;

const PAGE_KEY: &str = "page_tokens";

/// The table that a service's migration creates.
pub fn secrets_table() -> NewTable<'static> {
    NewTable {
        name: "secret",
        columns: &[("name", Text), ("value", Bytes)],
        key: 1,
        checks: &[],
        updated: false,
    }
}

/// What seals page tokens, under a key drawn when the database is first used.
///
/// # Errors
/// That the database refused, or `Damaged` for a key of another length.
pub async fn page_tokens(db: &Db, ids: &Ids) -> Result<PageTokens, db::Error> {
    let drawn = [*ids.v4().as_bytes(), *ids.v4().as_bytes()].concat();
    let stored = db.transact(move |tx| {
        let drawn = drawn.clone();
        async move {
            let row = secret::Model { name: PAGE_KEY.to_owned(), value: drawn };
            // Of two replicas that start at once, one draws.
            db::bulk_upsert::<secret::Entity>(tx, &[row], "ON CONFLICT (name) DO NOTHING").await?;
            Ok(secret::Entity::find_by_id(PAGE_KEY.to_owned()).one(tx).await?)
        }
        .boxed()
    });
    let value = stored.await?.map(|row| row.value).unwrap_or_default();
    let key = value.try_into().map_err(|_| db::Error::Damaged("the key of page tokens".into()))?;
    Ok(PageTokens::new(key))
}
