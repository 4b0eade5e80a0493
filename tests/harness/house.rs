//! The suite of a story: in this process with a clock that the story moves, or as a process of its own.

use std::time::Duration;

use ambient::{Clock, Ids, Time};
use db::Db;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::{Client, Settings};
use suite::compose::{Pending, Plan, Role, ServicePlan, Store, Suite};
use tempfile::TempDir;

use crate::database;
use crate::process::Process;
use crate::processes::Processes;
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
    InProcess { suite: Box<Suite>, services: Vec<(Role, ServicePlan)>, clock: Clock },
    Process(Box<Process>),
    Processes(Box<Processes>),
}

impl House {
    /// In this process on SQLite, with a manual clock.
    pub async fn sqlite() -> House {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data_dir = dir.path().join("data");
        let store = Store::Embedded { data_dir, synchronous: db::Synchronous::Normal };
        let services = Role::ALL.map(|role| (role, ServicePlan::new(store.clone())));
        House::in_process(services.into(), Some(dir)).await
    }

    /// In this process on PostgreSQL and Redis, with a manual clock.
    pub async fn postgres() -> House {
        let mut services = Vec::new();
        for role in Role::ALL {
            let url = Postgres::start().fresh_database().await;
            let (connections_max, redis) = match role {
                Role::Loyalty => (8, Some(cache::RedisSettings::new(Redis::start().url()))),
                Role::Feedback | Role::Scoring | Role::Notification => (4, None),
            };
            let plan = ServicePlan::new(Store::Service { url, connections_max, redis });
            services.push((role, ServicePlan { lanes: 2, ..plan }));
        }
        House::in_process(services, None).await
    }

    /// As four processes, one for each service, on PostgreSQL and Redis, with the machine's clock.
    pub async fn processes() -> House {
        let processes = Processes::start(&[]).await;
        let url = processes.database_url(Role::Loyalty).to_owned();
        let settings = db::Settings::Postgres { url, connections_max: 4 };
        House {
            client: processes.client(Role::Loyalty).await,
            db: Db::connect(&settings).await.expect("the database answers"),
            kind: Kind::Processes(Box::new(processes)),
            _dir: None,
        }
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

    async fn in_process(services: Vec<(Role, ServicePlan)>, dir: Option<TempDir>) -> House {
        let clock = Clock::manual(START);
        let suite = Box::new(start(services.clone(), &clock).await);
        let client = client(&format!("http://{}", suite.rpc_addr())).await;
        let db = suite.db(Role::Loyalty).expect("a ledger").clone();
        House { client, db, kind: Kind::InProcess { suite, services, clock }, _dir: dir }
    }

    /// Another ledger in this process on the same database and the same clock, as a second replica is.
    pub async fn replica(&self) -> Suite {
        let Kind::InProcess { services, clock, .. } = &self.kind else { panic!("this suite is a process") };
        let ledger = services.iter().filter(|(role, _)| *role == Role::Loyalty).cloned().collect();
        start(ledger, clock).await
    }

    /// A client of it; of loyalty, if the services are processes of their own.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// A client of one of its services.
    pub async fn client_of(&self, role: Role) -> Client {
        match &self.kind {
            Kind::InProcess { .. } | Kind::Process(_) => self.client(),
            Kind::Processes(processes) => processes.client(role).await,
        }
    }

    /// Its database, to look at or to damage.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The number `n` that this statement selects from its database.
    pub async fn count(&self, sql: &str) -> i64 {
        database::count(&self.db, sql).await
    }

    /// Runs a statement on its database, and returns how many rows it changed.
    pub async fn execute(&self, sql: &str) -> u64 {
        database::execute(&self.db, sql).await
    }

    /// Where calls are answered.
    pub fn target(&self) -> String {
        match &self.kind {
            Kind::InProcess { suite, .. } => format!("http://{}", suite.rpc_addr()),
            Kind::Process(process) => process.target(),
            Kind::Processes(processes) => processes.target(Role::Loyalty),
        }
    }

    /// The clock of a suite in this process.
    pub fn clock(&self) -> &Clock {
        match &self.kind {
            Kind::InProcess { clock, .. } => clock,
            Kind::Process(_) | Kind::Processes(_) => {
                panic!("a process has the machine's clock: use occurred_time and as_of")
            }
        }
    }

    /// Lets business time go on a little: a manual clock moves, the machine's goes by itself.
    pub fn time_passes(&self) {
        if let Kind::InProcess { clock, .. } = &self.kind {
            clock.advance_to(clock.now().plus_micros(1_000_000));
        }
    }

    /// The process, to kill it.
    pub fn own_process(&mut self) -> &mut Process {
        match &mut self.kind {
            Kind::Process(process) => process,
            Kind::InProcess { .. } | Kind::Processes(_) => panic!("this suite is not one process of its own"),
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
            Kind::Process(_) | Kind::Processes(_) => panic!("this suite runs in processes of its own"),
        }
    }

    /// Settles what is due, and resolves when every event has been applied everywhere.
    pub async fn settle(&self) {
        if let Kind::Processes(processes) = &self.kind {
            return processes.settled().await;
        }
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
            Kind::Processes(processes) => {
                processes.settled().await;
                processes.terminate();
            }
        }
    }
}

async fn start(services: Vec<(Role, ServicePlan)>, clock: &Clock) -> Suite {
    let anywhere = "127.0.0.1:0".parse().expect("an address");
    let plan = Plan {
        services,
        token: None,
        pending: Pending::Migrate,
        server: rpc::server::Settings::new(anywhere, anywhere),
        clock: clock.clone(),
        ids: Ids::Random,
    };
    Suite::start(plan).await.expect("the suite starts")
}

/// A client that has reached its server, with time for a busy machine.
pub async fn client(target: &str) -> Client {
    let settings =
        Settings { deadline: Duration::from_secs(30), ..Settings::new(&[proto::FILE_DESCRIPTOR_SET]) };
    Client::connect(target, settings).await.expect("the suite answers")
}
