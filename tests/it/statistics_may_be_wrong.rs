//! Whatever PostgreSQL believes of a table that it has seen empty: many keys are not compared with many rows.

use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{FromQueryResult, Statement};
use db::{Keyed, Pick, select_in};
use events::Relay;
use harness::database;
use harness::log::{On, Teller, position};
use uuid::Uuid;

/// As many as get positions at once. That many keys compared with that many rows take longer than a statement
/// may.
const MANY: usize = 8_192;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, FromQueryResult)]
struct Row {
    bucket: i32,
    tenant_id: String,
    aggregate_id: Uuid,
    aggregate_seq: i64,
}

/// A log that was empty when its statistics were made, and has many events now.
async fn misjudged() -> (Teller, Relay) {
    let teller = Teller::on(On::Postgres).await;
    let mut relay = teller.relay(Vec::new()).await;
    teller.execute("ALTER TABLE event SET (autovacuum_enabled = false)").await;
    teller.tell(Uuid::from_u128(1), 500).await;
    assert_eq!(position(&mut relay.positioner).await, 500);
    teller.execute("ANALYZE event").await;
    teller.tell(Uuid::from_u128(2), MANY).await;
    const EMPTY: &str = "SELECT COUNT(*) AS n FROM pg_class \
                         WHERE relname = 'event' AND reltuples = 0 AND relpages > 0";
    assert_eq!(database::count(&teller.db, EMPTY).await, 1, "the table is believed to be empty");
    (teller, relay)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_events_get_positions() {
    let (teller, mut relay) = misjudged().await;
    assert_eq!(position(&mut relay.positioner).await, MANY);
    assert_eq!(teller.log.pending().await.expect("a count"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_rows_are_found_by_keys() {
    let (teller, _relay) = misjudged().await;
    let sql = "SELECT bucket, tenant_id, aggregate_id, aggregate_seq FROM event ORDER BY aggregate_seq";
    let all = Statement::from_string(teller.db.backend(), sql);
    let rows = Row::find_by_statement(all).all(teller.db.reader()).await.expect("rows");
    let key = |r: &Row| {
        vec![r.bucket.into(), r.tenant_id.clone().into(), r.aggregate_id.into(), r.aggregate_seq.into()]
    };
    let keys: Vec<_> = rows.iter().map(key).collect();
    let select = Keyed {
        table: "event",
        on: &["bucket", "tenant_id", "aggregate_id", "aggregate_seq"],
        types: &[ArrayType::Int, ArrayType::String, ArrayType::Uuid, ArrayType::BigInt],
        filter: "",
        order: "t.aggregate_seq",
        pick: Pick::All,
        more: "",
    };
    let found: Vec<Row> = select_in(teller.db.reader(), select, &keys).await.expect("rows");
    assert_eq!((found.len(), found == rows), (MANY, true));
}
