//! The only composition root: puts services, stores, cache, clock and server together, and takes them apart.
//!
//! Only this file and its modules know the two shapes. *Embedded*: SQLite in a data directory that this
//! process holds alone, the cache in this process, one lane, migrations applied by itself, events handed
//! over in memory. *Service*: PostgreSQL shared with other replicas, Redis or no cache at all, no start
//! while a migration is pending, events over connections.

mod migrations;
mod store;
mod translate;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Ids};
use db::Db;
use events::operate::Operator;
use events::relay;
use events::{Bell, Link, Log, Relay, Subscriber};
use rpc::Authenticator;
use rpc::server::{self, Bound, Readiness, Running};
use telemetry::Telemetry;
use tonic::service::Routes;

use crate::Failure;
use crate::settings::Settings;

pub use migrations::{Owner, Pending, migrate};
pub use store::{Store, open_read_only};
pub use translate::telemetry_settings;

use store::Lock;

/// How long the last spans may take to reach the collector.
const FLUSH: Duration = Duration::from_secs(5);
/// How long the last events may take to reach their subscribers; the others wait for the next start.
const DELIVER: Duration = Duration::from_secs(2);

/// The loyalty service in this process.
#[derive(Clone, Debug)]
pub struct LoyaltyPlan {
    /// Where the ledger is.
    pub store: Store,
    /// Lanes of this process; SQLite has exactly one.
    pub lanes: usize,
    /// Subscribers in other processes: name and address.
    pub subscribers: Vec<(&'static str, String)>,
}

/// The notification service in this process.
#[derive(Clone, Debug)]
pub struct NotificationPlan {
    /// Where messages are.
    pub store: Store,
    /// The file that messages are appended to, if there is one.
    pub file_sink: Option<PathBuf>,
}

/// Everything that a suite is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The loyalty service, if it is here.
    pub loyalty: Option<LoyaltyPlan>,
    /// The notification service, if it is here.
    pub notification: Option<NotificationPlan>,
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
        Plan {
            loyalty: Some(LoyaltyPlan::of(settings)),
            notification: Some(NotificationPlan::of(settings)),
            ..Plan::bare(settings, Pending::Migrate, false)
        }
    }

    /// The loyalty service alone.
    pub fn loyalty(settings: &Settings) -> Plan {
        let loyalty = Some(LoyaltyPlan::of(settings));
        Plan { loyalty, ..Plan::bare(settings, Pending::Refuse, false) }
    }

    /// The notification service alone.
    pub fn notification(settings: &Settings) -> Plan {
        let notification = Some(NotificationPlan::of(settings));
        Plan { notification, ..Plan::bare(settings, Pending::Refuse, true) }
    }

    fn bare(settings: &Settings, pending: Pending, takes_events: bool) -> Plan {
        Plan {
            loyalty: None,
            notification: None,
            token: translate::token(settings).map(str::to_owned),
            pending,
            server: translate::server_settings(settings, takes_events),
            clock: Clock::System,
            ids: Ids::Random,
        }
    }

    /// For people: where the data is.
    pub fn describe(&self) -> String {
        let stores = self.loyalty.iter().map(|plan| &plan.store);
        let stores = stores.chain(self.notification.iter().map(|plan| &plan.store));
        let mut told: Vec<String> = stores.map(Store::describe).collect();
        told.dedup();
        told.join(", ")
    }
}

impl LoyaltyPlan {
    fn of(settings: &Settings) -> LoyaltyPlan {
        let notification = settings.loyalty.subscribers.notification.clone();
        let subscribers = [("notification", notification)].into_iter().filter(|(_, url)| !url.is_empty());
        LoyaltyPlan {
            store: Store::of_loyalty(settings),
            lanes: settings.loyalty.lanes,
            subscribers: subscribers.collect(),
        }
    }
}

impl NotificationPlan {
    fn of(settings: &Settings) -> NotificationPlan {
        let file = &settings.notification.file_sink;
        let file_sink = (!file.as_os_str().is_empty()).then(|| file.clone());
        NotificationPlan { store: Store::of_notification(settings), file_sink }
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
    loyalty: Option<(loyalty::Service, Db)>,
    notification: Option<(notification::Service, Db)>,
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
        let mut parts = Parts::default();
        if let Some(wanted) = &plan.notification {
            parts.start_notification(&plan, wanted, &mut lock).await?;
        }
        let mut opened = None;
        if let Some(wanted) = &plan.loyalty {
            opened = Some(migrations::open(Owner::Loyalty, &wanted.store, &mut lock, plan.pending).await?);
        }
        let bound = server::bind(&plan.server, &[proto::FILE_DESCRIPTOR_SET])?;
        if let (Some(wanted), Some(db)) = (&plan.loyalty, opened) {
            parts.start_loyalty(&plan, wanted, db, &bound).await?;
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
        self.parts.loyalty.as_ref().map(|(service, _)| service)
    }

    /// The database of a service that is here.
    pub fn db(&self, owner: Owner) -> Option<&Db> {
        match owner {
            Owner::Loyalty => self.parts.loyalty.as_ref().map(|(_, db)| db),
            Owner::Notification => self.parts.notification.as_ref().map(|(_, db)| db),
        }
    }

    /// Resolves when every event that was committed has been applied everywhere. Waits for as long as a
    /// subscriber is away: bound it.
    pub async fn settled(&self) -> Result<(), Failure> {
        for relay in &self.parts.relays {
            relay.settled().await?;
        }
        Ok(())
    }

    /// Ends everything in order; true if every call under way could end too.
    pub async fn shutdown(mut self, telemetry: Option<&Telemetry>) -> bool {
        self.running.stop_advertising().await;
        self.parts.stop_workers().await;
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
    async fn start_notification(
        &mut self,
        plan: &Plan,
        wanted: &NotificationPlan,
        lock: &mut Lock,
    ) -> Result<(), Failure> {
        let db = migrations::open(Owner::Notification, &wanted.store, lock, plan.pending).await?;
        let settings = notification::Settings {
            file_sink: wanted.file_sink.clone(),
            ..notification::Settings::default()
        };
        let deps = notification::Deps { db: db.clone(), clock: plan.clock.clone(), ids: plan.ids.clone() };
        let service = notification::build(settings, deps).await?;
        self.subscribers.push(Subscriber::open(&db, service.handler()).await?);
        self.notification = Some((service, db));
        Ok(())
    }

    async fn start_loyalty(
        &mut self,
        plan: &Plan,
        wanted: &LoyaltyPlan,
        db: Db,
        bound: &Bound,
    ) -> Result<(), Failure> {
        let lanes = match &wanted.store {
            Store::Embedded { .. } => 1,
            Store::Service { .. } => wanted.lanes,
        };
        let bell = Bell::default();
        let log = Log::open(&db, &plan.ids, Owner::Loyalty.name()).await?;
        let relay = Relay::open(log, bell.clone(), &plan.ids, self.links(plan, wanted, bound)?).await?;
        let deps = loyalty::Deps {
            db: db.clone(),
            cache: wanted.store.cache()?,
            clock: plan.clock.clone(),
            ids: plan.ids.clone(),
            bell,
        };
        let service =
            loyalty::build(loyalty::Settings { lanes, ..loyalty::Settings::default() }, deps).await?;
        self.relays.push(relay.start());
        self.loyalty = Some((service, db));
        Ok(())
    }

    /// The ways to the subscribers: in memory to those that are here, a connection to the others.
    fn links(
        &self,
        plan: &Plan,
        wanted: &LoyaltyPlan,
        bound: &Bound,
    ) -> Result<Vec<(&'static str, Link)>, Failure> {
        let here = self.subscribers.iter();
        let here = here.map(|s| (s.name(), Link::InProcess(bound.in_process(s.routes().prepare()))));
        let mut links: Vec<_> = here.collect();
        for (name, target) in &wanted.subscribers {
            if links.iter().any(|(known, _)| known == name) {
                continue;
            }
            let settings = rpc::client::Settings {
                hint: "start it, or mend the setting `loyalty.subscribers`".into(),
                ..rpc::client::Settings::new(&[proto::FILE_DESCRIPTOR_SET])
            };
            let client = rpc::client::Client::lazy(target, settings)
                .map_err(|error| Failure::usage(format!("setting `loyalty.subscribers.{name}`: {error}")))?;
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
        let mut pages = None;
        if let Some((service, _)) = &self.loyalty {
            routes = service.add_to(routes);
            names.extend(loyalty::Service::names());
            pages = Some(service.pages());
        }
        if let Some((service, _)) = &self.notification {
            routes = service.add_to(routes);
            names.extend(notification::Service::names());
            pages = pages.or(Some(service.pages()));
        }
        if let Some(pages) = pages {
            routes = Operator::new(self.relays.clone(), self.subscribers.clone(), pages).add_to(routes);
            names.extend(Operator::names());
        }
        (routes, names)
    }

    async fn are_ready(&self) -> bool {
        let loyalty = match &self.loyalty {
            Some((service, _)) => service.is_ready().await,
            None => true,
        };
        match &self.notification {
            Some((service, _)) => loyalty && service.is_ready().await,
            None => loyalty,
        }
    }

    async fn stop_workers(&self) {
        if let Some((service, _)) = &self.loyalty {
            service.stop_workers().await;
        }
        if let Some((service, _)) = &self.notification {
            service.stop_workers().await;
        }
    }

    /// Lanes first, then what they left to deliver, then what that left to send, then the databases.
    async fn close(&self) {
        if let Some((service, _)) = &self.loyalty {
            service.close().await;
        }
        for relay in &self.relays {
            if relay.subscriptions().iter().all(|subscription| subscription.reachable) {
                let _ = tokio::time::timeout(DELIVER, relay.settled()).await;
            }
            relay.stop().await;
        }
        if let Some((service, db)) = &self.notification {
            service.close().await;
            db.close().await;
        }
        if let Some((_, db)) = &self.loyalty {
            db.close().await;
        }
    }
}
