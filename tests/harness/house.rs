//! The suite of a story: in this process with a clock that the story moves, or as a process of its own.

use std::time::Duration;

use ambient::{Clock, Ids, Time};
use db::Db;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::{Client, Settings};
use suite::compose::{Pending, Plan, Store, Suite};
use tempfile::TempDir;

use crate::process::Process;
use crate::servers::{Postgres, Redis};

/// Where the manual clock of a house starts.
pub const START: Time = Time::from_micros(1_704_067_200_000_000);

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
        House::in_process(store, Some(dir)).await
    }

    /// In this process on PostgreSQL and Redis, with a manual clock.
    pub async fn postgres() -> House {
        let url = Postgres::start().fresh_database().await;
        let redis = Some(cache::RedisSettings::new(Redis::start().url()));
        let store = Store::Service { url, connections_max: 8, redis, lanes: 2 };
        House::in_process(store, None).await
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

    async fn in_process(store: Store, dir: Option<TempDir>) -> House {
        let clock = Clock::manual(START);
        let anywhere = "127.0.0.1:0".parse().expect("an address");
        let plan = Plan {
            store,
            pending: Pending::Migrate,
            server: rpc::server::Settings::new(anywhere, anywhere),
            clock: clock.clone(),
            ids: Ids::Random,
        };
        let suite = Suite::start(plan).await.expect("the suite starts");
        let client = client(&format!("http://{}", suite.rpc_addr())).await;
        let db = suite.db().clone();
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

    /// Ends the story: the ledger must be sound and every call must have ended.
    pub async fn end(self) {
        let audit = self.audit().await;
        assert!(audit.sound && audit.ledger_imbalance == 0, "{:#?}", audit.checks);
        match self.kind {
            Kind::InProcess { suite, .. } => {
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
