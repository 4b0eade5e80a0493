//! An event log and subscribers of it without any service around them: events that carry nothing, effects
//! that can be counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use ambient::Ids;
use db::sea_orm::sea_query::ArrayType;
use db::sea_orm::{FromQueryResult, Statement};
use db::{Db, Settings, Synchronous};
use events::relay::Positioner;
use events::{Bell, Cause, Event, Failed, Handler, Link, Log, Received, Relay, Subscriber};
use futures::FutureExt;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tempfile::TempDir;
use uuid::Uuid;

use crate::database::execute;
use crate::servers::Postgres;

/// The kind of events that the subscribers take.
pub const KIND: &str = "rapport.test.v1.Told";
/// A kind that nobody takes.
pub const OTHER_KIND: &str = "rapport.test.v1.Muttered";
/// The source's name.
pub const SOURCE: &str = "teller";

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// A file in a temporary directory.
    Sqlite,
    /// A fresh database of the shared server.
    Postgres,
}

impl On {
    /// Opens an empty database, migrated.
    pub async fn open<M: MigratorTrait>(self) -> (Db, Option<TempDir>) {
        let (settings, dir) = match self {
            On::Sqlite => {
                let dir = tempfile::tempdir().expect("a temporary directory");
                let file = dir.path().join("log.sqlite");
                std::fs::write(&file, b"").expect("a file");
                (Settings::Sqlite { file, synchronous: Synchronous::Normal }, Some(dir))
            }
            On::Postgres => {
                let url = Postgres::start().fresh_database().await;
                (Settings::Postgres { url, connections_max: 8 }, None)
            }
        };
        let db = Box::pin(Db::connect(&settings)).await.expect("the database opens");
        db::migrate::<M>(&db).await.expect("migrations apply");
        (db, dir)
    }
}

struct TellerSchema;

impl MigratorTrait for TellerSchema {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(events::CreateEventLog), Box::new(events::CreateRelay)]
    }
}

struct EarSchema;

impl MigratorTrait for EarSchema {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(events::CreateSubscriber)]
    }
}

/// Appends events.
pub struct Teller {
    /// Its database.
    pub db: Db,
    /// Its log.
    pub log: Log,
    told: Mutex<BTreeMap<Uuid, (i64, i64)>>,
    _dir: Option<TempDir>,
}

impl Teller {
    /// A log without events.
    pub async fn on(on: On) -> Teller {
        let (db, _dir) = on.open::<TellerSchema>().await;
        let log = Log::open(&db, &Ids::Random, SOURCE).await.expect("the log opens");
        Teller { db, log, told: Mutex::default(), _dir }
    }

    /// The next `count` events of an aggregate, not appended yet.
    pub fn next(&self, aggregate_id: Uuid, count: usize, kind: &'static str) -> Vec<Event> {
        let mut told = self.told.lock().expect("no panic");
        let (seq, order_key) = told.entry(aggregate_id).or_default();
        let mut event = || {
            *seq += 1;
            *order_key = events::next_order_key(events::machine_now_micros(), *order_key);
            Event {
                tenant_id: "default".into(),
                aggregate_id,
                aggregate_seq: *seq,
                order_key: *order_key,
                kind,
                traceparent: String::new(),
                payload: vec![7; 40],
            }
        };
        (0..count).map(|_| event()).collect()
    }

    /// Appends events in one transaction.
    pub async fn append(&self, events: Vec<Event>) {
        let append = self.db.transact(move |tx| {
            let events = events.clone();
            async move { events::append(tx, events).await }.boxed()
        });
        append.await.expect("events are appended");
    }

    /// Appends the next `count` events of an aggregate.
    pub async fn tell(&self, aggregate_id: Uuid, count: usize) {
        self.append(self.next(aggregate_id, count, KIND)).await;
    }

    /// A relay under a name of its own, as another process would have one.
    pub async fn relay(&self, subscribers: Vec<(&'static str, Link)>) -> Relay {
        let relay = Relay::open(self.log.clone(), Bell::default(), &Ids::Random, subscribers).await;
        relay.expect("the relay opens")
    }

    /// Ends all leases, as time would.
    pub async fn end_leases(&self) {
        self.execute("UPDATE event_bucket SET lease_until = 0").await;
    }

    /// Runs one statement on the database.
    pub async fn execute(&self, sql: &str) {
        execute(&self.db, sql).await;
    }
}

/// Gives positions to all that waits, claiming leases that have ended.
pub async fn position(positioner: &mut Positioner) -> usize {
    positioner.run_once().await.expect("positions")
}

#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
struct Heard {
    aggregate_id: Uuid,
    aggregate_seq: i64,
}

/// A subscriber that writes down every event it applies, again if it came again.
pub struct Ear {
    /// Its database.
    pub db: Db,
    /// Its receiving end.
    pub subscriber: Subscriber,
    /// Aggregates whose events it refuses.
    pub refuses: Arc<Mutex<BTreeSet<Uuid>>>,
    /// Aggregates at whose events it panics.
    pub panics_at: Arc<Mutex<BTreeSet<Uuid>>>,
    name: &'static str,
    _dir: Option<TempDir>,
}

impl Ear {
    /// One that has heard nothing.
    pub async fn on(on: On, name: &'static str) -> Ear {
        let (db, _dir) = on.open::<EarSchema>().await;
        execute(&db, "CREATE TABLE heard (turn BIGINT, aggregate_id uuid, aggregate_seq BIGINT)").await;
        let (refuses, panics_at) = (Arc::default(), Arc::default());
        let handler = handler(name, &refuses, &panics_at);
        let subscriber = Subscriber::open(&db, handler).await.expect("the subscriber opens");
        Ear { db, subscriber, refuses, panics_at, name, _dir }
    }

    /// The way to it.
    pub fn link(&self) -> (&'static str, Link) {
        let anywhere = "127.0.0.1:0".parse().expect("an address");
        let settings = rpc::server::Settings::new(anywhere, anywhere);
        let bound = rpc::server::bind(&settings, &[proto::FILE_DESCRIPTOR_SET]).expect("ports");
        (self.name, Link::InProcess(bound.in_process(self.subscriber.routes().prepare())))
    }

    /// What it heard, in the order in which it did: the numbers of each aggregate.
    pub async fn heard(&self) -> BTreeMap<Uuid, Vec<i64>> {
        let sql = "SELECT aggregate_id, aggregate_seq FROM heard ORDER BY turn";
        let db = self.db.reader();
        let statement = Statement::from_string(db.get_database_backend(), sql);
        let rows = Heard::find_by_statement(statement).all(db).await.expect("rows");
        let mut heard: BTreeMap<Uuid, Vec<i64>> = BTreeMap::new();
        for row in rows {
            heard.entry(row.aggregate_id).or_default().push(row.aggregate_seq);
        }
        heard
    }

    /// Fails unless it heard exactly the first `count` events of the aggregate, each once and in order.
    pub async fn heard_all(&self, aggregate_id: Uuid, count: i64) {
        let heard = self.heard().await.remove(&aggregate_id).unwrap_or_default();
        assert_eq!(heard, (1..=count).collect::<Vec<_>>());
    }

    /// Runs one statement on the database.
    pub async fn execute(&self, sql: &str) {
        execute(&self.db, sql).await;
    }
}

type Aggregates = Arc<Mutex<BTreeSet<Uuid>>>;

fn handler(name: &'static str, refuses: &Aggregates, panics_at: &Aggregates) -> Handler {
    let (refuses, panics_at) = (refuses.clone(), panics_at.clone());
    Handler {
        name,
        kinds: &[KIND],
        apply: Arc::new(move |tx, events| {
            let (refuses, panics_at) = (refuses.clone(), panics_at.clone());
            async move {
                for (index, event) in events.iter().enumerate() {
                    assert!(!holds(&panics_at, event), "this test wants a panic here");
                    if holds(&refuses, event) {
                        return Err(Failed { index, cause: Cause::Refused("this test refuses it".into()) });
                    }
                }
                hear(tx, events).await.map_err(|error| Failed { index: 0, cause: error.into() })
            }
            .boxed()
        }),
        takes_state: false,
        applied: Arc::new(|| {}),
    }
}

fn holds(set: &Aggregates, event: &Received) -> bool {
    set.lock().is_ok_and(|set| set.contains(&event.aggregate_id))
}

async fn hear(tx: &db::Tx, events: &[Received]) -> Result<(), db::Error> {
    /// Attempts that are rolled back leave gaps; the order is that of the transactions all the same.
    static TURN: AtomicI64 = AtomicI64::new(0);
    const TYPES: [ArrayType; 3] = [ArrayType::BigInt, ArrayType::Uuid, ArrayType::BigInt];
    let row = |event: &Received| {
        let turn = TURN.fetch_add(1, Ordering::SeqCst);
        vec![turn.into(), event.aggregate_id.into(), event.aggregate_seq.into()]
    };
    let rows: Vec<_> = events.iter().map(row).collect();
    db::execute_in(tx, &TYPES, &rows, |k| format!("INSERT INTO heard SELECT c0, c1, c2 FROM {k}")).await?;
    Ok(())
}
