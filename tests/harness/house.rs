//! The suite of a story: in this process with a clock that the story moves, or as a process of its own.

use std::time::Duration;

use ambient::{Clock, Ids, Time};
use db::Db;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::{Client, Settings};
use suite::compose::{LoyaltyPlan, NotificationPlan, Owner, Pending, Plan, Store, Suite};
use tempfile::TempDir;

use crate::process::Process;
use crate::servers::{Postgres, Redis};

/// Where the manual clock of a house starts.
pub const START: Time = Time::from_micros(1_704_067_200_000_000);

/// How long events may take to arrive, on a busy machine.
const SETTLE_MAX: Duration = Duration::from_secs(60);

/// A running suite and a client of it.
pub struct House {
    client: Client,
    db: Db,
    kind: Kind,
    _dir: Option<TempDir>,
}

enum Kind {
    InProcess { suite: Box<Suite>, clock: Clock },
    Process(Box<Process>),
}

impl House {
    /// In this process on SQLite, with a manual clock.
    pub async fn sqlite() -> House {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data_dir = dir.path().join("data");
        let store = Store::Embedded { data_dir, synchronous: db::Synchronous::Normal };
        House::in_process(store.clone(), store, Some(dir)).await
    }

    /// In this process on PostgreSQL and Redis, with a manual clock.
    pub async fn postgres() -> House {
        let url = Postgres::start().fresh_database().await;
        let messages = Postgres::start().fresh_database().await;
        let redis = Some(cache::RedisSettings::new(Redis::start().url()));
        let ledger = Store::Service { url, connections_max: 8, redis };
        let messages = Store::Service { url: messages, connections_max: 4, redis: None };
        House::in_process(ledger, messages, None).await
    }

    /// As a process of its own, `rapport loyalty`, on PostgreSQL and Redis, with the machine's clock.
    pub async fn process() -> House {
        let url = Postgres::start().fresh_database().await;
        House::process_on(&url, Redis::start().url()).await
    }

    /// As [`House::process`], on these servers.
    pub async fn process_on(database_url: &str, redis_url: &str) -> House {
        Process::migrate(database_url);
        let process = Process::loyalty(database_url, &["--redis-url", redis_url]);
        let settings = db::Settings::Postgres { url: database_url.to_owned(), connections_max: 4 };
        House {
            client: client(&process.target()).await,
            db: Db::connect(&settings).await.expect("the database answers"),
            kind: Kind::Process(Box::new(process)),
            _dir: None,
        }
    }

    async fn in_process(ledger: Store, messages: Store, dir: Option<TempDir>) -> House {
        let clock = Clock::manual(START);
        let anywhere = "127.0.0.1:0".parse().expect("an address");
        let plan = Plan {
            loyalty: Some(LoyaltyPlan { store: ledger, lanes: 2, subscribers: Vec::new() }),
            notification: Some(NotificationPlan { store: messages, file_sink: None }),
            token: None,
            pending: Pending::Migrate,
            server: rpc::server::Settings::new(anywhere, anywhere),
            clock: clock.clone(),
            ids: Ids::Random,
        };
        let suite = Suite::start(plan).await.expect("the suite starts");
        let client = client(&format!("http://{}", suite.rpc_addr())).await;
        let db = suite.db(Owner::Loyalty).expect("a ledger").clone();
        House { client, db, kind: Kind::InProcess { suite: Box::new(suite), clock }, _dir: dir }
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Its database, to look at or to damage.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Where calls are answered.
    pub fn target(&self) -> String {
        match &self.kind {
            Kind::InProcess { suite, .. } => format!("http://{}", suite.rpc_addr()),
            Kind::Process(process) => process.target(),
        }
    }

    /// The clock of a suite in this process.
    pub fn clock(&self) -> &Clock {
        match &self.kind {
            Kind::InProcess { clock, .. } => clock,
            Kind::Process(_) => panic!("a process has the machine's clock: use occurred_time and as_of"),
        }
    }

    /// The process, to kill it.
    pub fn own_process(&mut self) -> &mut Process {
        match &mut self.kind {
            Kind::Process(process) => process,
            Kind::InProcess { .. } => panic!("this suite runs in the process of the test"),
        }
    }

    /// The client of a process that was started again.
    pub async fn reconnect(&mut self) {
        self.client = client(&self.target()).await;
    }

    /// Audits the ledger over the wire.
    pub async fn audit(&self) -> pb::AuditLedgerResponse {
        let mut audits = pb::audit_service_client::AuditServiceClient::new(self.client());
        let response = audits.audit_ledger(pb::AuditLedgerRequest::default()).await.expect("an audit");
        response.into_inner()
    }

    /// The suite in this process.
    pub fn suite(&self) -> &Suite {
        match &self.kind {
            Kind::InProcess { suite, .. } => suite,
            Kind::Process(_) => panic!("this suite runs in a process of its own"),
        }
    }

    /// Settles what is due, and resolves when every event has been applied everywhere.
    pub async fn settle(&self) {
        let suite = self.suite();
        let settler = suite.loyalty().expect("a ledger").settler();
        while settler.run_once().await.expect("the database answers") > 0 {}
        let settled = tokio::time::timeout(SETTLE_MAX, suite.settled()).await;
        settled.expect("every event arrives").expect("the database answers");
    }

    /// Ends the story: the ledger must be sound, every event applied and every call ended.
    pub async fn end(self) {
        let audit = self.audit().await;
        assert!(audit.sound && audit.ledger_imbalance == 0, "{:#?}", audit.checks);
        match self.kind {
            Kind::InProcess { suite, .. } => {
                let settled = tokio::time::timeout(SETTLE_MAX, suite.settled()).await;
                settled.expect("every event arrives").expect("the database answers");
                assert!(suite.shutdown(None).await, "calls were still under way")
            }
            Kind::Process(process) => process.terminate(),
        }
    }
}

/// A client that has reached its server, with time for a busy machine.
pub async fn client(target: &str) -> Client {
    let settings =
        Settings { deadline: Duration::from_secs(30), ..Settings::new(&[proto::FILE_DESCRIPTOR_SET]) };
    Client::connect(target, settings).await.expect("the suite answers")
}
