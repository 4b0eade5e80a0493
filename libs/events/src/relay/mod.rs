//! The relay of one log: gives positions under its leases and brings the events to every subscriber, each at
//! its own pace.

mod courier;
mod export;
mod link;
mod positioner;
mod progress;
mod status;

use std::sync::Arc;
use std::time::Duration;

use ambient::Ids;
use db::sea_orm::DbBackend;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::log::{Buckets, Leases, Log};
use crate::{Bell, State};

pub use courier::{Courier, Parcel};
pub use export::Exported;
pub use link::Link;
pub use positioner::Positioner;
pub use status::Subscription;

use status::Report;

/// How long a lease lasts without renewal.
pub const LEASE: Duration = Duration::from_secs(10);

/// The pause of a round that leaves nothing waiting, so that events gather for the next one; what comes after
/// a quiet time does not wait for it. SQLite has one writer, which callers need.
pub(crate) fn pause(backend: DbBackend) -> Duration {
    match backend {
        DbBackend::Postgres => Duration::from_millis(25),
        _ => Duration::from_millis(80),
    }
}

/// A relay that does not run yet: its parts can be driven step by step.
#[derive(Debug)]
pub struct Relay {
    /// Gives positions.
    pub positioner: Positioner,
    /// One per subscriber.
    pub couriers: Vec<Courier>,
    buckets: watch::Receiver<Arc<Buckets>>,
    reports: Vec<Report>,
    links: Vec<(&'static str, Link)>,
    state: Option<State>,
}

/// A running relay. Clones share it.
#[derive(Clone, Debug)]
pub struct Running {
    log: Log,
    bell: Bell,
    buckets: watch::Receiver<Arc<Buckets>>,
    reports: Vec<Report>,
    links: Vec<(&'static str, Link)>,
    state: Option<State>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Relay {
    /// The relay of `log`; `bell` rings when events were appended by this process. Subscribers are registered
    /// with the log: from now on events wait for them.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn open(
        log: Log,
        bell: Bell,
        ids: &Ids,
        subscribers: Vec<(&'static str, Link)>,
    ) -> Result<Relay, db::Error> {
        let (sender, buckets) = watch::channel(Arc::default());
        let leases = Leases::new(ids.v4(), LEASE);
        let mut couriers = Vec::new();
        let mut reports = Vec::new();
        for (subscriber, link) in &subscribers {
            let (subscriber, link) = (*subscriber, link.clone());
            log.register(subscriber).await?;
            let report = Report::new(log.source(), subscriber);
            let courier = Courier::new(log.clone(), (subscriber, link), buckets.clone(), report.clone());
            couriers.push(courier);
            reports.push(report);
        }
        let positioner = Positioner::new(log, leases, sender, bell);
        Ok(Relay { positioner, couriers, buckets, reports, links: subscribers, state: None })
    }

    /// The same relay, which can also tell everything that its source knows.
    #[must_use]
    pub fn telling(self, state: State) -> Relay {
        Relay { state: Some(state), ..self }
    }

    /// How far each subscriber is.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.reports.iter().map(Report::now).collect()
    }

    /// Gives positions to everything and brings it to everybody. Returns the number of events and of calls.
    ///
    /// # Errors
    /// What the database or a subscriber answered.
    pub async fn run_once(&mut self) -> Result<(usize, usize), tonic::Status> {
        let events = self.positioner.run_once().await.map_err(|error| rpc::internal(&error))?;
        let mut calls = 0;
        for courier in &mut self.couriers {
            calls += courier.run_once().await?;
        }
        Ok((events, calls))
    }

    /// Runs until it is stopped. Without a subscriber events get their positions only now and then.
    pub fn start(self) -> Running {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (log, bell) = (self.positioner.log().clone(), self.positioner.bell().clone());
        status::observe(&self.reports);
        tasks.spawn(self.positioner.run(stop.clone(), self.couriers.is_empty()));
        for courier in self.couriers {
            tasks.spawn(courier.run(stop.clone()));
        }
        let (buckets, reports) = (self.buckets, self.reports);
        Running { log, bell, buckets, reports, links: self.links, state: self.state, stop, tasks }
    }
}

impl Running {
    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How far each subscriber is, measured against what has a position now.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        let buckets = self.buckets.borrow().clone();
        self.reports.iter().map(|report| report.now().measured(&buckets)).collect()
    }

    /// Resolves when every event appended so far has arrived everywhere. Waits for as long as a subscriber is
    /// away: bound it.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn settled(&self) -> Result<(), db::Error> {
        self.positioned().await?;
        let buckets = self.buckets.borrow().clone();
        for report in &self.reports {
            report.caught_up(&buckets).await;
        }
        Ok(())
    }

    /// As [`Running::settled`], for one subscriber.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn caught_up(&self, subscriber: &str) -> Result<(), db::Error> {
        self.positioned().await?;
        let buckets = self.buckets.borrow().clone();
        for report in self.reports.iter().filter(|report| report.now().subscriber == subscriber) {
            report.caught_up(&buckets).await;
        }
        Ok(())
    }

    /// Resolves when every event appended so far has a position.
    async fn positioned(&self) -> Result<(), db::Error> {
        if self.reports.is_empty() {
            return Ok(());
        }
        while self.log.pending().await? > 0 {
            self.bell.round().await;
        }
        // The round that gave the last of them may not have told the couriers yet; the next one has.
        self.bell.round().await;
        Ok(())
    }

    /// Stops, writes down how far the subscribers are, and gives the leases back.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
