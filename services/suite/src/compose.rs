//! The only composition root: puts services, stores, cache, clock and server together, and takes them apart.
//!
//! Only this file and its modules know the two shapes. *Embedded*: SQLite in a data directory that this
//! process holds alone, the cache in this process, one lane, migrations applied by itself, events handed
//! over in memory. *Service*: PostgreSQL shared with other replicas, Redis or no cache at all, no start
//! while a migration is pending, events over connections.

mod migrations;
mod part;
mod store;
mod translate;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Ids};
use db::{Db, Statistics};
use events::operate::Operator;
use events::relay;
use events::{Bell, Link, Log, Relay, Subscriber};
use rpc::Authenticator;
use rpc::server::{self, Bound, Readiness, Running};
use telemetry::Telemetry;
use tonic::service::Routes;

use crate::Failure;
use crate::settings::Settings;

pub use migrations::{Pending, Role, migrate, rebuild};
pub use store::{Store, open_read_only};
pub use translate::telemetry_settings;

use part::Part;
use store::Lock;

/// How long the last spans may take to reach the collector.
const FLUSH: Duration = Duration::from_secs(5);
/// How long the last events may take to reach their subscribers; the others wait for the next start.
const DELIVER: Duration = Duration::from_secs(2);

/// A service of this process.
#[derive(Clone, Debug)]
pub struct ServicePlan {
    /// Where its data is.
    pub store: Store,
    /// Subscribers in other processes: name and address.
    pub subscribers: Vec<(&'static str, String)>,
    /// Lanes of the ledger in this process; SQLite has exactly one.
    pub lanes: usize,
    /// The file that messages are appended to, if there is one.
    pub file_sink: Option<PathBuf>,
}

/// Everything that a suite is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The services that are here.
    pub services: Vec<(Role, ServicePlan)>,
    /// What other services must carry and are given; none on loopback.
    pub token: Option<String>,
    /// What to do about pending migrations.
    pub pending: Pending,
    /// Addresses and limits.
    pub server: server::Settings,
    /// Business time.
    pub clock: Clock,
    /// Where identifiers come from.
    pub ids: Ids,
}

impl Plan {
    /// All services in one process, each embedded unless the settings name its database.
    pub fn all(settings: &Settings) -> Plan {
        let services = Role::ALL.map(|role| (role, ServicePlan::of(settings, role)));
        Plan { services: services.into(), ..Plan::bare(settings, Pending::Migrate, false) }
    }

    /// One service alone.
    pub fn role(settings: &Settings, role: Role) -> Plan {
        let services = vec![(role, ServicePlan::of(settings, role))];
        Plan { services, ..Plan::bare(settings, Pending::Refuse, role.takes_events()) }
    }

    fn bare(settings: &Settings, pending: Pending, takes_events: bool) -> Plan {
        Plan {
            services: Vec::new(),
            token: translate::token(settings).map(str::to_owned),
            pending,
            server: translate::server_settings(settings, takes_events),
            clock: Clock::System,
            ids: Ids::Random,
        }
    }

    /// For people: where the data is.
    pub fn describe(&self) -> String {
        let mut told: Vec<String> = self.services.iter().map(|(_, plan)| plan.store.describe()).collect();
        told.dedup();
        told.join(", ")
    }
}

impl ServicePlan {
    /// A service on a store, without anybody in another process.
    pub fn new(store: Store) -> ServicePlan {
        ServicePlan { store, subscribers: Vec::new(), lanes: 1, file_sink: None }
    }

    fn of(settings: &Settings, role: Role) -> ServicePlan {
        let file = &settings.notification.file_sink;
        ServicePlan {
            subscribers: translate::subscribers(settings, role),
            lanes: settings.loyalty.lanes,
            file_sink: (!file.as_os_str().is_empty()).then(|| file.clone()),
            ..ServicePlan::new(Store::of(settings, role))
        }
    }
}

/// A suite that answers.
#[derive(Debug)]
pub struct Suite {
    running: Running,
    internal_addr: Option<SocketAddr>,
    parts: Arc<Parts>,
    /// Held until everything else has ended.
    _lock: Lock,
}

/// The services of this process, with what runs beside them.
#[derive(Debug, Default)]
struct Parts {
    /// Who takes events before who leaves them.
    services: Vec<(Role, Part, Db)>,
    statistics: Vec<Statistics>,
    relays: Vec<relay::Running>,
    subscribers: Vec<Subscriber>,
}

impl Suite {
    /// Starts what `plan` describes; when this returns, calls are answered.
    pub async fn start(plan: Plan) -> Result<Suite, Failure> {
        if Authenticator::default().is_open()
            && !plan.server.insecure
            && !plan.server.listen.ip().is_loopback()
        {
            // The server would refuse it too, but only after the database was touched.
            return Err(server::Error::Open(plan.server.listen).into());
        }
        server::check_internal(&plan.server)?;
        let mut lock = Lock::default();
        let mut opened = Vec::new();
        for (role, wanted) in &plan.services {
            opened.push((
                *role,
                wanted,
                migrations::open(*role, &wanted.store, &mut lock, plan.pending).await?,
            ));
        }
        let bound = server::bind(&plan.server, &[proto::FILE_DESCRIPTOR_SET])?;
        let mut parts = Parts::default();
        // Relays are given the ways to the subscribers that are here: these come first.
        opened.sort_by_key(|(role, ..)| !role.takes_events());
        for (role, wanted, db) in opened {
            parts.start(&plan, role, wanted, db, &bound).await?;
        }
        let internal_addr = bound.internal_addr();
        let parts = Arc::new(parts);
        let asked = parts.clone();
        let readiness = Readiness::new(move || {
            let parts = asked.clone();
            async move { parts.are_ready().await }
        });
        let (routes, names) = parts.routes();
        let internal = parts.subscribers.first().map(Subscriber::routes).unwrap_or_default();
        let running = bound.serve_with_internal((routes, internal), &names, readiness).await?;
        Ok(Suite { running, internal_addr, parts, _lock: lock })
    }

    /// Where calls are answered.
    pub fn rpc_addr(&self) -> SocketAddr {
        self.running.rpc_addr
    }

    /// Where health and metrics are answered.
    pub fn ops_addr(&self) -> SocketAddr {
        self.running.ops_addr
    }

    /// Where other services deliver events, if they do.
    pub fn internal_addr(&self) -> Option<SocketAddr> {
        self.internal_addr
    }

    /// The loyalty service, to be driven by hand.
    pub fn loyalty(&self) -> Option<&loyalty::Service> {
        self.parts.services.iter().find_map(|(_, part, _)| match part {
            Part::Loyalty(service) => Some(service),
            Part::Feedback(_) | Part::Scoring(_) | Part::Notification(_) => None,
        })
    }

    /// The database of a service that is here.
    pub fn db(&self, role: Role) -> Option<&Db> {
        self.parts.services.iter().find(|(here, ..)| *here == role).map(|(.., db)| db)
    }

    /// Resolves when every event that was committed has been applied everywhere. Waits for as long as a
    /// subscriber is away: bound it.
    pub async fn settled(&self) -> Result<(), Failure> {
        for relay in &self.parts.relays {
            relay.settled().await?;
        }
        Ok(())
    }

    /// How many events the services of this process have left, as far as they were given a position.
    pub async fn events(&self) -> Result<i64, Failure> {
        let mut events = 0;
        for relay in &self.parts.relays {
            events += relay.log().assigned().await?;
        }
        Ok(events)
    }

    /// Ends everything in order; true if every call under way could end too.
    pub async fn shutdown(mut self, telemetry: Option<&Telemetry>) -> bool {
        self.running.stop_advertising().await;
        for (_, part, _) in &self.parts.services {
            part.stop_workers().await;
        }
        let drained = self.running.drain().await;
        self.parts.close().await;
        if let Some(telemetry) = telemetry {
            telemetry.shutdown(FLUSH).await;
        }
        self.running.close_ops().await;
        drained
    }
}

impl Parts {
    async fn start(
        &mut self,
        plan: &Plan,
        role: Role,
        wanted: &ServicePlan,
        db: Db,
        bound: &Bound,
    ) -> Result<(), Failure> {
        let bell = Bell::default();
        self.statistics.push(Statistics::keep(&db));
        if let Some(state) = Part::state(role, &db) {
            let log = Log::open(&db, &plan.ids, role.name()).await?;
            let links = self.links(plan, role, wanted, bound)?;
            let relay = Relay::open(log, bell.clone(), &plan.ids, links).await?.telling(state);
            self.relays.push(relay.start());
        }
        let part = Part::build(role, plan, wanted, &db, bell).await?;
        if let Some(handler) = part.handler() {
            self.subscribers.push(Subscriber::open(&db, handler).await?);
        }
        self.services.push((role, part, db));
        Ok(())
    }

    /// The ways to the subscribers: in memory to those that are here, a connection to the others.
    fn links(
        &self,
        plan: &Plan,
        role: Role,
        wanted: &ServicePlan,
        bound: &Bound,
    ) -> Result<Vec<(&'static str, Link)>, Failure> {
        let here = self.subscribers.iter();
        let here = here.map(|s| (s.name(), Link::InProcess(bound.in_process(s.routes().prepare()))));
        let mut links: Vec<_> = here.collect();
        for (name, target) in &wanted.subscribers {
            if links.iter().any(|(known, _)| known == name) {
                continue;
            }
            let setting = format!("{}.subscribers.{name}", role.name());
            let settings = rpc::client::Settings {
                hint: format!("start it, or mend the setting `{setting}`").into(),
                ..rpc::client::Settings::new(&[proto::FILE_DESCRIPTOR_SET])
            };
            let client = rpc::client::Client::lazy(target, settings)
                .map_err(|error| Failure::usage(format!("setting `{setting}`: {error}")))?;
            let bearer = plan.token.as_ref().map(|token| format!("Bearer {token}").parse());
            let authorization = bearer.transpose().map_err(|_| {
                Failure::usage("setting `events.token` has characters that a header cannot carry")
            })?;
            links.push((name, Link::Remote { client, authorization }));
        }
        Ok(links)
    }

    /// What is served to everybody, and the names of it.
    fn routes(&self) -> (Routes, Vec<String>) {
        let (mut routes, mut names) = (Routes::default(), Vec::new());
        for (_, part, _) in &self.services {
            routes = part.add_to(routes);
            names.extend(part.names());
        }
        if let Some((_, part, _)) = self.services.first() {
            let operator = Operator::new(self.relays.clone(), self.subscribers.clone(), part.pages());
            routes = operator.add_to(routes);
            names.extend(Operator::names());
        }
        (routes, names)
    }

    async fn are_ready(&self) -> bool {
        for (_, part, _) in &self.services {
            if !part.is_ready().await {
                return false;
            }
        }
        true
    }

    /// Who leaves events first, then the way to their subscribers, then those; the databases last.
    async fn close(&self) {
        self.statistics.iter().for_each(Statistics::stop);
        for (_, part, _) in self.services.iter().filter(|(role, ..)| role.leaves_events()) {
            part.close().await;
        }
        for relay in &self.relays {
            if relay.subscriptions().iter().all(|subscription| subscription.reachable) {
                let _ = tokio::time::timeout(DELIVER, relay.settled()).await;
            }
            relay.stop().await;
        }
        for (_, part, _) in self.services.iter().filter(|(role, ..)| !role.leaves_events()) {
            part.close().await;
        }
        for (.., db) in &self.services {
            db.close().await;
        }
    }
}
