//! A database that an earlier build wrote says after its migration what it said before.

use ambient::Time;
use chrono::NaiveDate;
use db::sea_orm::{ConnectionTrait, Statement, Value};
use db::{Db, Owner, Tenant};
use futures::FutureExt;
use harness::database::count;
use harness::log::On;
use loyalty::domain::rules::{CapOf, Counter};
use loyalty::store::counters::{Counters, Key};
use loyalty::store::{tiers, wallets};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use uuid::Uuid;

/// The schema in which tiers were the spend of two calendar years.
struct BySpendOfTwoYears;

impl MigratorTrait for BySpendOfTwoYears {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        loyalty::Migrator::migrations().into_iter().take(10).collect()
    }
}

/// The schema in which what counts for caps was the wallets', and in nobody's name.
struct CountedByWallet;

impl MigratorTrait for CountedByWallet {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        loyalty::Migrator::migrations().into_iter().take(23).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    spend_of_two_years_becomes_standings(On::Sqlite).await;
    what_wallets_counted_is_in_their_own_names(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres() {
    spend_of_two_years_becomes_standings(On::Postgres).await;
    what_wallets_counted_is_in_their_own_names(On::Postgres).await;
}

async fn execute(db: &Db, sql: &str, values: Vec<Value>) {
    let statement = Statement::from_sql_and_values(db.backend(), sql, values);
    let written = db.transact(move |tx| {
        let statement = statement.clone();
        async move { Ok(tx.execute_raw(statement).await?.rows_affected()) }.boxed()
    });
    assert_eq!(written.await.expect("the database answers"), 1);
}

/// Writes a program and three wallets of it as they were with the spend of two years.
async fn write_wallets(db: &Db) -> Vec<Owner> {
    let tiers_text = r#"[{"id":"base","display_name":"","threshold_micros":0},
        {"id":"silver","display_name":"","threshold_micros":1000},
        {"id":"gold","display_name":"","threshold_micros":2500}]"#;
    let program = "INSERT INTO program (tenant_id, program_id, display_name, time_zone, money_currency, \
         point_code, point_name, rule_points, rule_per_micros, rule_version, expiry_kind, expiry_count, \
         tiers, version, create_time) \
         VALUES ('default', 'club', 'Club', 'Asia/Tokyo', 'USD', 'points', '', 1, 1000000, 1, 0, 0, $1, 1, \
         0)";
    execute(db, program, vec![tiers_text.into()]).await;
    // Gold was reached last year, silver this year, or nothing; each with the spend of both years.
    let wallets_before = [(3, 10_i64, 3_000_i64), (2, 1_200, 0), (1, 0, 0)];
    let mut owners = Vec::new();
    for (n, (rank, current, previous)) in (1..).zip(wallets_before) {
        let owner = Owner::new(&Tenant::new("default"), Uuid::from_u128(n));
        let member = "INSERT INTO member (bucket, tenant_id, member_id, program_id, external_id, wallet_id, \
             state, create_time) VALUES ($1, $2, $3, 'club', $4, $3, 1, 77)";
        execute(db, member, owner.key_with([n.to_string().into()])).await;
        let wallet = "INSERT INTO wallet (bucket, tenant_id, wallet_id, program_id, version, now, \
             next_expire, next_due, pending, available, held, arrears, issued, reversed, redeemed, expired, \
             adjusted, posting_seq, lot_seq, event_seq, order_key, spend_year, spend_current_micros, \
             spend_previous_micros, tier_rank, warned_until, next_warn, next_release, waived, alive_until) \
             VALUES ($1, $2, $3, 'club', 5, 100, $7, $7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 2025, \
             $4, $5, $6, 0, $7, $7, 0, 0)";
        let values = [current.into(), previous.into(), rank.into(), i64::MAX.into()];
        execute(db, wallet, owner.key_with(values)).await;
        if rank > 1 {
            let change = "INSERT INTO tier_change (bucket, tenant_id, wallet_id, event_seq, from_tier_id, \
                 to_tier_id, from_rank, to_rank, effective_time, create_time, order_key) \
                 VALUES ($1, $2, $3, 3, 'base', '', 1, $4, 88, 99, 4)";
            execute(db, change, owner.key_with([rank.into()])).await;
        }
        if current > 0 {
            let day = "INSERT INTO day_spend (bucket, tenant_id, wallet_id, day, spend_micros) \
                 VALUES ($1, $2, $3, 20250301, $4)";
            execute(db, day, owner.key_with([current.into()])).await;
        }
        owners.push(owner);
    }
    owners
}

async fn spend_of_two_years_becomes_standings(on: On) {
    let (db, _dir) = on.open::<BySpendOfTwoYears>().await;
    let owners = write_wallets(&db).await;
    db::migrate::<loyalty::Migrator>(&db).await.expect("the migration applies");
    let mut found = Vec::new();
    for owner in &owners {
        let wallet = wallets::find(db.reader(), owner).await.unwrap().expect("a wallet").wallet;
        let rows = tiers::known_at(db.reader(), owner, Time::MAX).await.unwrap();
        assert_eq!(i64::try_from(rows.len()).unwrap(), wallet.tier_seq);
        assert_eq!(rows.iter().map(|row| row.rank).collect::<Vec<_>>(), ranks_of(&wallet));
        let until = wallet.tier.until.map(|day| day.to_string());
        let sums = (wallet.tier.progress, wallet.tier.previous);
        assert_eq!(wallet.tier.first_day, NaiveDate::from_ymd_opt(2025, 1, 1));
        assert_eq!(wallet.open_time, Time::from_micros(77));
        let year_end =
            Time::from(chrono::DateTime::parse_from_rfc3339("2025-12-31T15:00:00Z").unwrap().to_utc());
        assert_eq!(wallet.next_due == year_end, wallet.tier.progress != 0, "midnight in Tokyo");
        found.push((wallet.tier.rank, wallet.tier.since.micros(), until, sums));
    }
    let expected = [
        (3, 88, Some("2026-01-01".to_owned()), (10, 3_000)),
        (2, 88, Some("2027-01-01".to_owned()), (1_200, 0)),
        (1, 77, None, (0, 0)),
    ];
    assert_eq!(found, expected);
}

fn ranks_of(wallet: &loyalty::domain::Wallet) -> Vec<u32> {
    if wallet.tier_seq == 0 { Vec::new() } else { vec![wallet.tier.rank] }
}

async fn what_wallets_counted_is_in_their_own_names(on: On) {
    let (db, _dir) = on.open::<BySpendOfTwoYears>().await;
    let owners = write_wallets(&db).await;
    db::migrate::<CountedByWallet>(&db).await.expect("the migration applies");
    for (owner, points) in owners.iter().zip([10_i64, 7, 30]) {
        let counter = "INSERT INTO wallet_counter (bucket, tenant_id, wallet_id, name, period_start, points) \
             VALUES ($1, $2, $3, 'rule:a', 20250301, $4)";
        execute(&db, counter, owner.key_with([points.into()])).await;
    }
    // The second one is with the third, which has counted what both did since.
    let [first, gone, with] = owners.as_slice() else { panic!("three wallets") };
    let moved = "UPDATE wallet SET moved_to = $4 WHERE bucket = $1 AND tenant_id = $2 AND wallet_id = $3";
    execute(&db, moved, gone.key_with([with.id().into()])).await;
    let moved = "UPDATE member SET wallet_id = $4 WHERE bucket = $1 AND tenant_id = $2 AND member_id = $3";
    execute(&db, moved, gone.key_with([with.id().into()])).await;
    db::migrate::<loyalty::Migrator>(&db).await.expect("the migration applies");
    for (owner, points) in [(first, 10), (gone, 0), (with, 30)] {
        let counter = Counter { of: CapOf::Member, name: "rule:a".into(), period_start: 20_250_301 };
        let key = Key::new(owner, "club", counter.clone());
        let counters = Counters::read(db.reader(), &[key.clone()].into()).await.unwrap();
        assert_eq!(counters.used(vec![key]), [(counter, points)].into());
    }
    let named = "SELECT COUNT(*) AS n FROM member_count WHERE member_id = wallet_id";
    assert_eq!(count(&db, named).await, 2);
    let brought =
        "SELECT COUNT(*) AS n FROM member_count WHERE member_id <> wallet_id AND counted LIKE '%7}'";
    assert_eq!(count(&db, brought).await, 1);
}
