//! The rows of one earn, written by hand: captured from a real one, written again by pgbench with prepared
//! statements, in one transaction of a statement per row, and in one statement.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use harness::servers::Postgres;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, FromQueryResult, Statement};

use crate::report::Measured;

/// Tables that get one or more new rows by an earn.
const INSERTED: [&str; 5] = ["command", "activity", "posting", "lot", "event"];

/// pgbench scripts on a database of their own with the same schema.
pub(crate) struct ByHand {
    url: String,
    transaction: tempfile::NamedTempFile,
    statement: tempfile::NamedTempFile,
}

#[derive(FromQueryResult)]
struct Column {
    column_name: String,
    data_type: String,
}

#[derive(FromQueryResult)]
struct Row {
    row: String,
}

impl ByHand {
    /// Captures the rows of the last earn of the service's database and prepares as many wallets.
    pub(crate) async fn prepare(postgres: &Postgres, service_url: &str, members: usize) -> ByHand {
        let service = connect(service_url).await;
        let url = postgres.fresh_database().await;
        harness::process::Process::migrate(&url);
        let own = connect(&url).await;
        let mut inserts = Vec::new();
        for table in INSERTED {
            let columns = columns(&service, table).await;
            for row in last_rows(&service, table).await {
                inserts.push(insert(table, &columns, &row));
            }
        }
        let wallet = wallets_sql(&service, members).await;
        own.execute_unprepared(&wallet).await.expect("wallets are copied");
        own.execute_unprepared("VACUUM ANALYZE").await.expect("the database is analysed");
        let day = format!(
            "INSERT INTO tier_credit (bucket, tenant_id, wallet_id, day, credits) \
             VALUES (:i::bigint % 64, 'default', {WALLET}, 20240101 + :d::int, 3000000) \
             ON CONFLICT (bucket, tenant_id, wallet_id, day) \
             DO UPDATE SET credits = tier_credit.credits + excluded.credits"
        );
        let update = format!(
            "UPDATE wallet SET version = version + 1, now = now + 1, available = available + 3, \
             issued = issued + 3, posting_seq = posting_seq + 1, lot_seq = lot_seq + 1, \
             event_seq = event_seq + 2, order_key = order_key + 2, \
             tier_progress = tier_progress + 3000000 \
             WHERE bucket = :i::bigint % 64 AND tenant_id = 'default' AND wallet_id = {WALLET}"
        );
        let lock = format!(
            "SELECT * FROM wallet WHERE bucket = :i::bigint % 64 AND tenant_id = 'default' \
             AND wallet_id = {WALLET} FOR UPDATE"
        );
        let head = format!(
            "\\set i random(1, {members})\n\\set n random(1, 4000000000000000000)\n\\set d random(0, 30)\n"
        );
        let rows: Vec<String> = inserts.into_iter().chain([day, update]).collect();
        let transaction = format!("{head}BEGIN;\n{lock};\n{};\nCOMMIT;\n", rows.join(";\n"));
        let parts: Vec<String> = rows[..rows.len() - 1]
            .iter()
            .enumerate()
            .map(|(i, row)| format!("r{i} AS ({row} RETURNING 1)"))
            .collect();
        let statement = format!("{head}WITH {} {};\n", parts.join(", "), rows[rows.len() - 1]);
        println!("an earn writes {} rows", rows.len());
        ByHand { url, transaction: file(&transaction), statement: file(&statement) }
    }

    pub(crate) fn transaction(&self, clients: usize, time: Duration) -> Measured {
        self.pgbench(&self.transaction, clients, time)
    }

    pub(crate) fn statement(&self, clients: usize, time: Duration) -> Measured {
        self.pgbench(&self.statement, clients, time)
    }

    fn pgbench(&self, script: &tempfile::NamedTempFile, clients: usize, time: Duration) -> Measured {
        let seconds = time.as_secs().max(1).to_string();
        let clients = clients.to_string();
        let output = Command::new(pgbench())
            .args(["-n", "-M", "prepared", "-j", "1", "-c", &clients, "-T", &seconds, "-f"])
            .arg(script.path())
            .arg(&self.url)
            .output()
            .expect("pgbench runs");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
        let number = |label: &str| -> f64 {
            let line = told.lines().find(|line| line.starts_with(label)).unwrap_or_default();
            let value = line[label.len()..].trim().split(' ').next().unwrap_or_default();
            value.parse().unwrap_or_else(|_| panic!("pgbench said: {told}"))
        };
        let mean = Duration::from_secs_f64(number("latency average =") / 1_000.0);
        Measured { per_second: number("tps ="), p50: mean, p99: mean }
    }
}

/// The wallet with the number `:i`.
const WALLET: &str = "('00000000-0000-4000-8000-' || lpad(to_hex(:i::bigint), 12, '0'))::uuid";

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Box::pin(Database::connect(options)).await.expect("PostgreSQL answers")
}

async fn columns(db: &DatabaseConnection, table: &str) -> Vec<Column> {
    let sql = "SELECT column_name::text, data_type::text FROM information_schema.columns \
               WHERE table_name = $1 ORDER BY ordinal_position";
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [table.into()]);
    Column::find_by_statement(statement).all(db).await.expect("columns")
}

/// The rows that the last earn left in a table: those of the last activity's wallet with the highest numbers.
async fn last_rows(db: &DatabaseConnection, table: &str) -> Vec<serde_json::Value> {
    let of_wallet = "(SELECT wallet_id FROM activity ORDER BY create_time DESC, activity_id DESC LIMIT 1)";
    let (owner, order, count) = match table {
        "command" => ("scope_id", "create_time", 1),
        "event" => ("aggregate_id", "aggregate_seq", 2),
        "activity" => ("wallet_id", "create_time", 1),
        "lot" => ("wallet_id", "lot_number", 1),
        _ => ("wallet_id", "seq", 1),
    };
    let sql = format!(
        "SELECT row_to_json(t)::text AS row FROM {table} t WHERE {owner} = {of_wallet} \
         ORDER BY {order} DESC LIMIT {count}"
    );
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = Row::find_by_statement(statement).all(db).await.expect("captured rows");
    assert_eq!(rows.len(), count, "{table}");
    rows.into_iter().map(|row| serde_json::from_str(&row.row).expect("a row")).collect()
}

/// The captured row with new keys.
fn insert(table: &str, columns: &[Column], row: &serde_json::Value) -> String {
    let names: Vec<&str> = columns.iter().map(|c| c.column_name.as_str()).collect();
    let values: Vec<String> = columns.iter().map(|column| value(column, row)).collect();
    format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "))
}

fn value(column: &Column, row: &serde_json::Value) -> String {
    let captured = &row[column.column_name.as_str()];
    match (column.column_name.as_str(), column.data_type.as_str()) {
        ("bucket", _) => ":i::bigint % 64".into(),
        ("wallet_id" | "scope_id" | "aggregate_id" | "member_id" | "actor_member_id", _) => WALLET.into(),
        ("request_id" | "activity_id" | "event_id", _) => "gen_random_uuid()".into(),
        ("aggregate_seq", _) => format!(":n::bigint + {captured} % 2"),
        ("seq" | "lot_number", _) => ":n::bigint".into(),
        (_, "bytea") => format!("'{}'::bytea", captured.as_str().unwrap_or_default()),
        (_, "uuid") => format!("{}::uuid", quoted(captured)),
        (_, "text") => quoted(captured),
        _ => captured.to_string(),
    }
}

fn quoted(value: &serde_json::Value) -> String {
    format!("'{}'", value.as_str().unwrap_or_default().replace('\'', "''"))
}

/// Copies of a real wallet row.
async fn wallets_sql(service: &DatabaseConnection, members: usize) -> String {
    let columns = columns(service, "wallet").await;
    let sql = "SELECT row_to_json(t)::text AS row FROM wallet t LIMIT 1";
    let statement = Statement::from_string(service.get_database_backend(), sql);
    let row = Row::find_by_statement(statement).one(service).await.expect("a wallet").expect("a wallet").row;
    let row: serde_json::Value = serde_json::from_str(&row).expect("a row");
    let names: Vec<&str> = columns.iter().map(|c| c.column_name.as_str()).collect();
    let values: Vec<String> = columns.iter().map(|c| value(c, &row).replace(":i", "i")).collect();
    let (names, values) = (names.join(", "), values.join(", "));
    format!("INSERT INTO wallet ({names}) SELECT {values} FROM generate_series(1, {members}) AS i")
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("a written script");
    file
}

/// Beside the PostgreSQL that the harness starts.
fn pgbench() -> PathBuf {
    harness::servers::postgres_binaries().join("pgbench")
}
