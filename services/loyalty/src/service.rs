//! Puts the service together from its parts.

use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Ids};
use cache::Cache;
use db::Db;
use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use crate::ledger::{self, Catalogue, Lanes};
use crate::roll_up::RollUp;
use crate::rpc::{Api, audit_response, balance_snapshot};
use crate::store::{self, Tenant, programs};
use crate::workers::Settler;

/// How the service works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Lanes that commit commands: one on SQLite, two per replica on PostgreSQL.
    pub lanes: usize,
    /// Pause between looks for wallets that have something due.
    pub settle_pause: Duration,
    /// Pause between looks for postings that reports do not find summed up.
    pub roll_up_pause: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        let (settle_pause, roll_up_pause) = (Duration::from_secs(5), Duration::from_secs(120));
        Settings { lanes: 1, settle_pause, roll_up_pause }
    }
}

/// What the service works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Its database, migrated.
    pub db: Db,
    /// Where balances are published.
    pub cache: Cache,
    /// Business time.
    pub clock: Clock,
    /// New identifiers.
    pub ids: Ids,
    /// Rung when a commit left events.
    pub bell: events::Bell,
}

/// The running service. Clones share it.
#[derive(Clone, Debug)]
pub struct Service {
    api: Api,
    stop: CancellationToken,
    workers: TaskTracker,
}

/// Starts the service: its lanes and workers run from here on.
///
/// # Errors
/// That the database refused.
pub async fn build(settings: Settings, deps: Deps) -> Result<Service, db::Error> {
    let Deps { db, cache, clock, ids, bell } = deps;
    let catalogue = Catalogue::default();
    let pages = requests::page_tokens(&db, &ids).await?;
    let lane_deps = ledger::Deps {
        db: db.clone(),
        cache: cache.clone(),
        clock: clock.clone(),
        bell: bell.clone(),
        catalogue: catalogue.clone(),
        snapshot: balance_snapshot,
    };
    let lanes = Arc::new(Lanes::start(settings.lanes, lane_deps));
    let api = Api { db, cache, clock, ids, bell, catalogue, lanes, pages };
    let service = Service { api, stop: CancellationToken::new(), workers: TaskTracker::new() };
    service.workers.spawn(service.settler().run(settings.settle_pause, service.stop.clone()));
    service.workers.spawn(service.roll_up().run(settings.roll_up_pause, service.stop.clone()));
    Ok(service)
}

impl Service {
    /// Adds its gRPC services to `routes`.
    pub fn add_to(&self, routes: Routes) -> Routes {
        /// The same limit for every service.
        macro_rules! limited {
            ($server:path) => {
                <$server>::new(self.api.clone()).max_decoding_message_size(rpc::MESSAGE_BYTES_MAX)
            };
        }
        routes
            .add_service(limited!(pb::program_service_server::ProgramServiceServer<Api>))
            .add_service(limited!(pb::member_service_server::MemberServiceServer<Api>))
            .add_service(limited!(pb::household_service_server::HouseholdServiceServer<Api>))
            .add_service(limited!(pb::activity_service_server::ActivityServiceServer<Api>))
            .add_service(limited!(pb::rule_service_server::RuleServiceServer<Api>))
            .add_service(limited!(pb::points_service_server::PointsServiceServer<Api>))
            .add_service(limited!(pb::review_service_server::ReviewServiceServer<Api>))
            .add_service(limited!(pb::reward_service_server::RewardServiceServer<Api>))
            .add_service(limited!(pb::redemption_service_server::RedemptionServiceServer<Api>))
            .add_service(limited!(pb::audit_service_server::AuditServiceServer<Api>))
            .add_service(limited!(pb::report_service_server::ReportServiceServer<Api>))
    }

    /// The full names of its gRPC services, for health.
    pub fn names() -> Vec<String> {
        proto::services_of("rapport.loyalty.v1")
    }

    /// The worker that settles due wallets, to be driven by hand.
    pub fn settler(&self) -> Settler {
        let Api { db, clock, ids, lanes, .. } = self.api.clone();
        Settler { db, clock, ids, lanes, lifted: Arc::default(), aside: Arc::default() }
    }

    /// The worker that sums up what was posted, to be driven by hand.
    pub fn roll_up(&self) -> RollUp {
        RollUp { db: self.api.db.clone(), clock: self.api.clock.clone() }
    }

    /// What seals its page tokens.
    pub fn pages(&self) -> rpc::PageTokens {
        self.api.pages.clone()
    }

    /// True if it can answer.
    pub async fn is_ready(&self) -> bool {
        self.api.db.is_ready().await
    }

    /// Ends background work; calls go on.
    pub async fn stop_workers(&self) {
        self.stop.cancel();
        self.workers.close();
        self.workers.wait().await;
    }

    /// Answers what waits in the lanes and ends them.
    pub async fn close(&self) {
        self.api.lanes.close().await;
    }
}

/// Audits a database without a running service; nothing if it has no such program.
///
/// # Errors
/// That the database refused.
pub async fn audit(
    db: &Db,
    tenant: &str,
    program_id: &str,
) -> Result<Option<pb::AuditLedgerResponse>, db::Error> {
    let (tenant, program_id) = (Tenant::new(tenant), program_id.to_owned());
    if !program_id.is_empty() && programs::find(db.reader(), &tenant, &program_id).await?.is_none() {
        return Ok(None);
    }
    let report = db.scan(move |tx| {
        let (tenant, program_id) = (tenant.clone(), program_id.clone());
        async move { store::audit(tx, &tenant, &program_id).await }.boxed()
    });
    Ok(Some(audit_response(report.await?)))
}
