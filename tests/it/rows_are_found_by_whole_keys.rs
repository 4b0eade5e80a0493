//! A row is found by its whole primary key, never by the part of it that a wallet's or a recipient's other
//! rows share: whatever the database knows of the table.

use std::time::Duration;

use db::sea_orm::{ConnectionTrait, DbBackend, Statement};
use db::sea_orm_migration::MigratorTrait;
use db::{Db, Settings, Synchronous, Tx};
use futures::FutureExt;
use harness::calls::{balance_of, create_program, create_reward, enroll};
use harness::database;
use harness::holds::{held, hold, void, voided};
use harness::house::House;
use harness::moves::{buys, reverse};
use harness::servers::Postgres;

/// More than a table takes to be analysed.
const ANALYSED_MAX: Duration = Duration::from_secs(30);

/// The columns of primary keys below an owner, by tables.
const POSTGRES_KEYS: &str = "SELECT i.indrelid::regclass::text AS name, \
     string_agg(format('%s = $%s', a.attname, o), ' AND ' ORDER BY o) AS condition, \
     string_agg(format_type(a.atttypid, NULL), ', ' ORDER BY o) AS types, COUNT(*) AS columns \
     FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS u(att, o) \
     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.att \
     WHERE i.indisprimary AND i.indrelid::regclass::text !~ '^pg_' GROUP BY i.indrelid \
     HAVING bool_or(a.attname IN ('wallet_id', 'recipient_id')) AND COUNT(*) > 3";
const SQLITE_KEYS: &str = "SELECT t.name AS name, group_concat(c.name || ' = ?', ' AND ') AS condition, \
     '' AS types, COUNT(*) AS columns FROM sqlite_master t JOIN pragma_table_info(t.name) c \
     WHERE t.type = 'table' AND c.pk > 0 GROUP BY t.name \
     HAVING SUM(c.name IN ('wallet_id', 'recipient_id')) = 1 AND COUNT(*) > 3";

struct Key {
    table: String,
    condition: String,
    types: String,
    columns: usize,
}

async fn keys(db: &Db, sql: &str) -> Vec<Key> {
    let rows = db.reader().query_all_raw(Statement::from_string(db.backend(), sql)).await;
    let key = |row: db::sea_orm::QueryResult| Key {
        table: row.try_get("", "name").expect("a name"),
        condition: row.try_get("", "condition").expect("a condition"),
        types: row.try_get("", "types").expect("types"),
        columns: usize::try_from(row.try_get::<i64>("", "columns").expect("a number")).expect("some"),
    };
    rows.expect("the database answers").into_iter().map(key).collect()
}

/// The lines of a plan.
async fn plan(tx: &Tx, sql: &str, column: &str) -> Result<Vec<String>, db::Error> {
    let rows = tx.query_all_raw(Statement::from_string(tx.get_database_backend(), sql)).await?;
    Ok(rows.into_iter().map(|row| row.try_get("", column).expect("a line")).collect())
}

async fn on_postgres<M: MigratorTrait>() -> usize {
    let url = Postgres::start().fresh_database().await;
    let db = Db::connect(&Settings::Postgres { url, connections_max: 4 }).await.expect("PostgreSQL answers");
    db::migrate::<M>(&db).await.expect("migrations apply");
    let keys = keys(&db, POSTGRES_KEYS).await;
    for Key { table, condition, types, columns } in &keys {
        let prepare = format!("PREPARE by_{table} ({types}) AS SELECT * FROM {table} WHERE {condition}");
        let nulls = vec!["NULL"; *columns].join(", ");
        let explain = format!("EXPLAIN EXECUTE by_{table} ({nulls})");
        let explained = db.snapshot(move |tx| {
            let (prepare, explain) = (prepare.clone(), explain.clone());
            async move {
                tx.execute_unprepared(&prepare).await?;
                plan(tx, &explain, "QUERY PLAN").await
            }
            .boxed()
        });
        let plan = explained.await.expect("a plan").join("\n");
        assert!(plan.contains("Index Cond") && !plan.contains("Filter"), "{table}:\n{plan}");
    }
    keys.len()
}

async fn on_sqlite<M: MigratorTrait>() -> usize {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("a.sqlite");
    std::fs::write(&file, b"").expect("a file");
    let settings = Settings::Sqlite { file, synchronous: Synchronous::Normal };
    let db = Db::connect(&settings).await.expect("SQLite opens");
    db::migrate::<M>(&db).await.expect("migrations apply");
    let keys = keys(&db, SQLITE_KEYS).await;
    for Key { table, condition, columns, .. } in &keys {
        let explain = format!("EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE {condition}");
        let explained = db.snapshot(move |tx| {
            let explain = explain.clone();
            async move { plan(tx, &explain, "detail").await }.boxed()
        });
        let plan = explained.await.expect("a plan").join("\n");
        assert_eq!(plan.matches("=?").count(), *columns, "{table}: {plan}");
    }
    keys.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_every_table_of_an_owner() {
    for [postgres, sqlite] in [
        [on_postgres::<loyalty::Migrator>().await, on_sqlite::<loyalty::Migrator>().await],
        [on_postgres::<notification::Migrator>().await, on_sqlite::<notification::Migrator>().await],
    ] {
        assert!(postgres > 1 && postgres == sqlite, "{postgres} and {sqlite} keys were looked at");
    }
}

/// What is outstanding of returns is found without reading what else a wallet did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_outstanding_has_an_index() {
    for house in [House::sqlite().await, House::postgres().await] {
        let client = house.client();
        create_program(&client).await;
        create_reward(&client, "mug", 30, None).await;
        let anna = enroll(&client, "anna").await;
        let bought = buys(&client, &anna, 30).await;
        let mug = held(&client, hold(&anna, "mug", 60)).await.unwrap().redemption.unwrap();
        reverse(&client, &anna, &bought).await.unwrap();
        voided(&client, void(&mug)).await.unwrap();
        assert_eq!(balance_of(&client, &anna).await.available, 0);
        match house.db().backend() {
            DbBackend::Sqlite => {
                let rows = "FROM activity t WHERE t.wallet_id = ? AND t.tenant_id = ?";
                let explain = format!("EXPLAIN QUERY PLAN SELECT * {rows} AND t.outstanding <> ''");
                let plan = house.db().snapshot(move |tx| {
                    let explain = explain.clone();
                    async move { plan(tx, &explain, "detail").await }.boxed()
                });
                let plan = plan.await.expect("a plan").join("\n");
                assert!(plan.contains("activity_owing (wallet_id=? AND tenant_id=?)"), "{plan}");
            }
            _ => used(&house, "activity_owing").await,
        }
        house.end().await;
    }
}

/// SQLite uses a partial index only for statements that have the letters of its condition: these write the
/// nil id with a small x.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partial_indexes_have_the_letters_of_statements() {
    let house = House::sqlite().await;
    for (letters, some) in [("x", true), ("X", false)] {
        let indexes = format!(
            "SELECT COUNT(*) AS n FROM sqlite_master WHERE type = 'index' AND sql GLOB '*{letters}''00*'"
        );
        assert_eq!(database::count(house.db(), &indexes).await > 0, some, "{letters}");
    }
    house.end().await;
}

/// Waits until PostgreSQL has counted that an index was used.
async fn used(house: &House, index: &str) {
    let scans = format!("SELECT idx_scan AS n FROM pg_stat_user_indexes WHERE indexrelname = '{index}'");
    let used = async {
        while database::count(house.db(), &scans).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(ANALYSED_MAX, used).await.expect("the index is used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_grew_is_analysed_at_once() {
    let house = House::postgres().await;
    let client = house.client();
    create_program(&client).await;
    // Autovacuum would take the tables from the list of those that nothing is known of.
    for table in ["member", "wallet"] {
        house.execute(&format!("ALTER TABLE {table} SET (autovacuum_enabled = false)")).await;
    }
    let enrolling = (0..250).map(|n| {
        let client = client.clone();
        async move { enroll(&client, &format!("member {n}")).await }
    });
    futures::future::join_all(enrolling).await;
    const ANALYSED: &str = "SELECT COUNT(*) AS n FROM pg_stat_user_tables \
         WHERE relname IN ('member', 'wallet') AND last_analyze IS NOT NULL";
    let analysed = async {
        while database::count(house.db(), ANALYSED).await < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(ANALYSED_MAX, analysed).await.expect("both tables are analysed");
    house.end().await;
}
