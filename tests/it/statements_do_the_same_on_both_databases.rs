//! The bulk statements and the transactions of `libs/db` do the same on SQLite and PostgreSQL.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use db::{Db, Keyed, Lookup, OWNER_TYPES, Pick, Settings, Synchronous, Walk};
use futures::{FutureExt, TryStreamExt};
use harness::database;
use harness::servers::Postgres;
use loyalty::store::wallets::Versioned;
use loyalty::store::{Owner, Tenant, wallets};
use sea_orm::{ConnectionTrait, FromQueryResult};
use sea_orm_migration::prelude::{
    DbErr, MigrationName, MigrationTrait, MigratorTrait, SchemaManager, async_trait,
};

async fn sqlite(dir: &tempfile::TempDir) -> Db {
    let file = dir.path().join("loyalty.sqlite");
    std::fs::write(&file, b"").expect("a file");
    let db = Db::connect(&Settings::Sqlite { file, synchronous: Synchronous::Normal })
        .await
        .expect("SQLite opens");
    db::migrate::<loyalty::Migrator>(&db).await.expect("migrations apply");
    db
}

async fn postgres() -> Db {
    let url = Postgres::start().fresh_database().await;
    let db = Db::connect(&Settings::Postgres { url, connections_max: 6 }).await.expect("PostgreSQL answers");
    db::migrate::<loyalty::Migrator>(&db).await.expect("migrations apply");
    db
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = sqlite(&dir).await;
    every_row_is_written_and_found(&db).await;
    a_failed_transaction_leaves_nothing(&db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres() {
    let db = postgres().await;
    every_row_is_written_and_found(&db).await;
    a_failed_transaction_leaves_nothing(&db).await;
    a_deadlock_is_tried_again(&db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_migrations_at_once_one_waits() {
    let url = Postgres::start().fresh_database().await;
    let connect = async || {
        let settings = Settings::Postgres { url: url.clone(), connections_max: 4 };
        Db::connect(&settings).await.expect("PostgreSQL answers")
    };
    let (a, b) = (connect().await, connect().await);
    assert!(!db::pending_migrations::<loyalty::Migrator>(&a).await.expect("an answer").is_empty());
    let (first, second) =
        tokio::join!(db::migrate::<loyalty::Migrator>(&a), db::migrate::<loyalty::Migrator>(&b));
    let applied = [first.expect("migrated"), second.expect("migrated")];
    assert_eq!(applied.iter().filter(|n| **n > 0).count(), 1, "{applied:?}");
    assert!(db::pending_migrations::<loyalty::Migrator>(&a).await.expect("an answer").is_empty());
}

/// A migration that writes down how long one of its statements may take, and how it may join tables.
struct Patient;

impl MigrationName for Patient {
    fn name(&self) -> &str {
        "m0001_patient"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Patient {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = "CREATE TABLE told AS SELECT current_setting('statement_timeout') AS bound, \
                   current_setting('enable_hashjoin') AS joins";
        manager.get_connection().execute_unprepared(sql).await.map(|_| ())
    }
}

impl MigratorTrait for Patient {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Patient)]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_takes_the_time_it_needs() {
    let url = Postgres::start().fresh_database().await;
    let db = Db::connect(&Settings::Postgres { url, connections_max: 4 }).await.expect("PostgreSQL answers");
    assert_eq!(db::migrate::<Patient>(&db).await.expect("migrated"), 1);
    const TOLD: &str = "SELECT COUNT(*) AS n FROM told WHERE bound = '0' AND joins = 'on'";
    assert_eq!(database::count(&db, TOLD).await, 1);
    assert_eq!(db::migrate::<Patient>(&db).await.expect("migrated"), 0);
}

fn program() -> loyalty::domain::Program {
    loyalty::domain::Program {
        further: Vec::new(),
        id: "club".into(),
        display_name: "Club".into(),
        time_zone: chrono_tz::UTC,
        currency: loyalty::domain::Currency::try_new("USD").expect("a currency"),
        points: loyalty::domain::PointCurrency {
            code: "points".into(),
            display_name: "Points".into(),
            unit_cost_micros: 0,
        },
        rule: None,
        rule_sets: Vec::new(),
        release: loyalty::domain::Release::AtOnce,
        return_policy: loyalty::domain::ReturnPolicy::WithinBalance,
        redemption: loyalty::domain::RedemptionPolicy::DEFAULT,
        expiry: loyalty::domain::Expiry::NEVER,
        ladder: loyalty::domain::Ladder::default(),
        referral: None,
        velocity: Vec::new(),
        version: 1,
        create_time: harness::house::START,
    }
}

/// More rows than any chunk, so that every size of statement is used.
async fn every_row_is_written_and_found(db: &Db) {
    let tenant = Tenant::new("default");
    let owners: Vec<Owner> = (0..150).map(|_| Owner::new(&tenant, ambient::Ids::Random.v4())).collect();
    let inserted = owners.clone();
    db.transact(move |tx| {
        let owners = inserted.clone();
        async move {
            loyalty::store::programs::insert(tx, &Tenant::new("default"), &program()).await?;
            let opened = owners.into_iter().map(|owner| {
                let wallet =
                    loyalty::domain::Wallet::opened(owner.id(), &program(), harness::house::START, 7);
                (owner, wallet)
            });
            wallets::insert(tx, &opened.collect::<Vec<_>>()).await
        }
        .boxed()
    })
    .await
    .expect("inserted");
    let stranger = Owner::new(&Tenant::new("another"), owners[0].id());
    let asked: Vec<Owner> = owners.iter().cloned().chain([stranger.clone()]).collect();
    let (found, _) = lock(db, asked.clone(), Vec::new()).await;
    assert_eq!(found.len(), 150);
    for owner in &owners {
        assert_eq!(found[owner].wallet.id, owner.id());
        assert_eq!((found[owner].wallet.order_key, found[owner].program_version), (7, 1));
    }
    // What is beside the rows is known exactly where looking for it would be a round trip.
    let is_postgres = db.backend() == sea_orm::DbBackend::Postgres;
    let strangers: Vec<Owner> = (0..3).map(|_| Owner::new(&tenant, ambient::Ids::Random.v4())).collect();
    let one = |owner: &Owner| vec![owner.clone()];
    for locked in [one(&owners[1]), owners.clone()] {
        for (beside, any) in [
            (vec![], false),
            (vec![vec![], vec![]], false),
            (vec![one(&stranger)], false),
            (vec![one(&stranger), strangers.clone()], false),
            (vec![one(&owners[0])], true),
            (vec![strangers.clone(), one(&owners[0])], true),
            (vec![vec![], asked.clone(), one(&stranger)], true),
        ] {
            let (found, told) = lock(db, locked.clone(), beside).await;
            assert_eq!((found.len(), told), (locked.len(), any || !is_postgres));
        }
    }
    assert!(lock(db, one(&stranger), vec![one(&stranger)]).await.1, "nothing is told without a row");
    every_row_is_walked_over_once(db, owners).await;
}

/// Locks wallets, and asks for others beside them.
async fn lock(db: &Db, owners: Vec<Owner>, beside: Vec<Vec<Owner>>) -> (HashMap<Owner, Versioned>, bool) {
    let select = Keyed {
        table: "wallet",
        on: &["bucket", "tenant_id", "wallet_id"],
        types: &OWNER_TYPES,
        filter: "t.version >= 0",
        order: "",
        pick: Pick::All,
        more: "",
    };
    let lookups =
        beside.iter().map(|owners| Lookup { select, keys: owners.iter().map(Owner::key).collect() });
    let lookups: Vec<Lookup> = lookups.collect();
    let locked = db.transact(move |tx| {
        let (owners, lookups) = (owners.clone(), lookups.clone());
        async move { wallets::lock(tx, &owners, &lookups).await }.boxed()
    });
    locked.await.expect("locked")
}

/// In pages of which the last is full, and in pages of which it is not.
async fn every_row_is_walked_over_once(db: &Db, mut owners: Vec<Owner>) {
    #[derive(FromQueryResult)]
    struct Key {
        bucket: i32,
        tenant_id: String,
        wallet_id: uuid::Uuid,
    }
    owners.sort();
    for (rows, pages) in [(50, 3), (40, 4), (200, 1)] {
        let key = &["bucket", "tenant_id", "wallet_id"];
        let walk = Walk { select: "SELECT bucket, tenant_id, wallet_id FROM wallet", key, rows };
        let walked = db::walk(db, walk, |key: &Key| {
            vec![key.bucket.into(), key.tenant_id.as_str().into(), key.wallet_id.into()]
        });
        let walked: Vec<Vec<Key>> = walked.try_collect().await.expect("pages");
        assert_eq!(walked.len(), pages);
        let found = walked.iter().flatten();
        let found: Vec<Owner> =
            found.map(|key| Owner::of_row(key.bucket, &key.tenant_id, key.wallet_id)).collect();
        assert!(found == owners, "in the order of the key, each once");
    }
}

async fn a_failed_transaction_leaves_nothing(db: &Db) {
    let count = async || {
        let statement = "SELECT name FROM secret";
        let statement = sea_orm::Statement::from_string(db.backend(), statement);
        db.reader().query_all_raw(statement).await.expect("an answer").len()
    };
    let before = count().await;
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let failed = db.transact(move |tx| {
        let tries = counted.clone();
        async move {
            tries.fetch_add(1, Ordering::SeqCst);
            tx.execute_unprepared("DELETE FROM secret").await?;
            tx.execute_unprepared("INSERT INTO secret (name, value) VALUES ('a', '')").await?;
            tx.execute_unprepared("INSERT INTO secret (name, value) VALUES ('a', '')").await?;
            Ok(())
        }
        .boxed()
    });
    let error = failed.await.expect_err("the second row breaks the key");
    assert!(matches!(error, db::Error::Constraint(_)), "{error:?}");
    assert_eq!(tries.load(Ordering::SeqCst), 1, "a broken rule is not tried again");
    assert_eq!(count().await, before);
}

/// Two transactions that lock two rows in opposite orders: PostgreSQL ends one, which then succeeds.
async fn a_deadlock_is_tried_again(db: &Db) {
    db.transact(|tx| {
        async move {
            let rows = "INSERT INTO secret (name, value) VALUES ('x', ''), ('y', '')";
            Ok(tx.execute_unprepared(rows).await.map(|_| ())?)
        }
        .boxed()
    })
    .await
    .expect("two rows");
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    let lock_both = |first: &'static str, second: &'static str| {
        let (db, barrier, tried) = (db.clone(), barrier.clone(), Arc::new(AtomicU32::new(0)));
        async move {
            let done = db.transact(|tx| {
                let (barrier, tried) = (barrier.clone(), tried.clone());
                async move {
                    let touch = |name: &str| format!("UPDATE secret SET value = 'z' WHERE name = '{name}'");
                    tx.execute_unprepared(&touch(first)).await?;
                    if tried.fetch_add(1, Ordering::SeqCst) == 0 {
                        barrier.wait().await;
                    }
                    tx.execute_unprepared(&touch(second)).await?;
                    Ok(())
                }
                .boxed()
            });
            done.await.map(|()| tried.load(Ordering::SeqCst))
        }
    };
    let (a, b) = tokio::join!(lock_both("x", "y"), lock_both("y", "x"));
    let tries = a.expect("the first succeeds") + b.expect("the second succeeds");
    assert!(tries > 2, "one of them was tried again");
}
