//! Stretches of what wallets own, by the numbers of its rows: many in one statement, each by its key.

use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{ConnectionTrait, FromQueryResult, Value};
use db::{Keyed, OWNER_TYPES, Owner, Pick, select_in};

use super::OWNER;

/// Rows of a wallet with numbers behind one, up to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The wallet.
    pub owner: Owner,
    /// Behind this number.
    pub after: i64,
    /// Up to this number.
    pub through: i64,
}

/// Rows of distinct spans that are given in the order of their keys, in that order. `filter` is what is added
/// to a condition and may name further values of each key as `k.c5`, `k.c6`, ..
pub(super) async fn rows<M: FromQueryResult>(
    db: &impl ConnectionTrait,
    (table, number): (&str, &str),
    spans: &[Span],
    filter: &str,
    values: &[i64],
) -> Result<Vec<M>, db::Error> {
    let numbers = vec![ArrayType::BigInt; 2 + values.len()];
    let types: Vec<ArrayType> = OWNER_TYPES.into_iter().chain(numbers).collect();
    let filter = format!("t.{number} > k.c3 AND t.{number} <= k.c4{filter}");
    let order = format!("t.bucket, t.tenant_id, t.wallet_id, t.{number}");
    let key = |span: &Span| {
        let numbers = [span.after, span.through].into_iter().chain(values.iter().copied());
        span.owner.key_with(numbers.map(Value::from))
    };
    let keys: Vec<_> = spans.iter().map(key).collect();
    let select =
        Keyed { table, on: &OWNER, types: &types, filter: &filter, order: &order, pick: Pick::All, more: "" };
    select_in(db, select, &keys).await
}
