//! Gives positions for as long as the process runs, and lets old events go.

use std::sync::Arc;
use std::time::Duration;

use db::sea_orm::DbBackend;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::pause;
use crate::log::{Assigned, Buckets, Leases, Log, RETENTION, RETENTION_MAX};
use crate::{Bell, machine_now_micros};

/// Leases are renewed this often.
const RENEW: Duration = Duration::from_secs(3);
/// The longest an event of another process waits to be seen on PostgreSQL.
const POLL_POSTGRES: Duration = Duration::from_millis(20);
/// On SQLite every commit rings; this is for what a panic may have swallowed.
const POLL_SQLITE: Duration = Duration::from_secs(1);
/// Nobody waits for the events, but they must not stay for ever: retention is for those that have positions.
/// This often they are given all that are due, with a pause after each round.
const LOOK_RESTING: Duration = Duration::from_secs(3_600);
const PAUSE_RESTING: Duration = Duration::from_secs(1);
const POLL_RESTING: Duration = Duration::from_secs(60);
/// After a database error.
const PAUSE_ERROR: Duration = Duration::from_millis(500);
/// Old events are looked for this often, and again at once while there are many.
const RETAIN: Duration = Duration::from_secs(60);

/// Gives positions to the events of one log.
#[derive(Debug)]
pub struct Positioner {
    log: Log,
    leases: Leases,
    buckets: watch::Sender<Arc<Buckets>>,
    bell: Bell,
    claimed: Option<Instant>,
    retained: Instant,
    /// When everything that waited had a position last, where nobody listens.
    rested: Option<Instant>,
}

impl Positioner {
    pub(super) fn new(
        log: Log,
        leases: Leases,
        buckets: watch::Sender<Arc<Buckets>>,
        bell: Bell,
    ) -> Positioner {
        Positioner { log, leases, buckets, bell, claimed: None, retained: Instant::now(), rested: None }
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The leases held.
    pub fn leases(&mut self) -> &mut Leases {
        &mut self.leases
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Gives positions to everything that waits in buckets that can be claimed. Returns how many events that
    /// were.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn run_once(&mut self) -> Result<usize, db::Error> {
        self.claim().await?;
        let mut events = 0;
        loop {
            match self.round().await? {
                0 => return Ok(events),
                count => events += count,
            }
        }
    }

    async fn claim(&mut self) -> Result<(), db::Error> {
        self.log.claim(&mut self.leases).await?;
        self.claimed = Some(Instant::now());
        self.publish();
        Ok(())
    }

    async fn round(&mut self) -> Result<usize, db::Error> {
        let assigned = self.log.assign(&mut self.leases).await;
        self.publish();
        match assigned? {
            Assigned::Events(count) => Ok(count),
            Assigned::LeaseLost => {
                tracing::warn!(
                    source = self.log.source(),
                    "leases on the event log were lost; claiming again"
                );
                self.claimed = None;
                Ok(0)
            }
        }
    }

    /// Tells the couriers what is held and how far it reaches.
    fn publish(&self) {
        self.buckets.send_if_modified(|known| {
            let changed = **known != self.leases.buckets;
            if changed {
                *known = Arc::new(self.leases.buckets.clone());
            }
            changed
        });
    }

    /// Works until it is stopped; with `rest` only now and then, for a log that has no subscriber.
    pub(super) async fn run(mut self, stop: CancellationToken, rest: bool) {
        let poll = match self.log.db.backend() {
            _ if rest => POLL_RESTING,
            DbBackend::Postgres => POLL_POSTGRES,
            _ => POLL_SQLITE,
        };
        while !stop.is_cancelled() {
            let wait = match self.work(rest).await {
                Ok(0) => poll,
                Ok(_) if rest => PAUSE_RESTING,
                Ok(count) if count >= self.log.events_max() => Duration::ZERO,
                Ok(_) => pause(self.log.db.backend()),
                Err(error) => {
                    tracing::warn!(%error, source = self.log.source(), "events cannot get positions");
                    self.claimed = None;
                    PAUSE_ERROR
                }
            };
            self.bell.looked();
            let waits_for_bell = wait == poll && !rest;
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
                () = self.bell.rung(), if waits_for_bell => {}
            }
        }
        if let Err(error) = self.log.release(&mut self.leases).await {
            tracing::warn!(%error, "leases on the event log were not given back; they end by themselves");
        }
    }

    async fn work(&mut self, rest: bool) -> Result<usize, db::Error> {
        if self.claimed.is_none_or(|at| at.elapsed() >= RENEW) {
            self.claim().await?;
        }
        // A look at one row costs less than a transaction that finds nothing.
        let looks = !rest || self.rested.is_none_or(|at| at.elapsed() >= LOOK_RESTING);
        let count = if looks && self.log.has_waiting().await? { self.round().await? } else { 0 };
        if looks && count < self.log.events_max() {
            self.rested = Some(Instant::now());
        }
        if self.retained.elapsed() >= RETAIN {
            let bounds = (RETENTION, RETENTION_MAX);
            let retained = self.log.retain(&mut self.leases, machine_now_micros(), bounds).await?;
            if retained.lost > 0 {
                let (source, lost) = (self.log.source(), retained.lost);
                tracing::error!(source, lost, "events were dropped that a subscriber never took");
            }
            if retained.dropped == 0 {
                self.retained = Instant::now();
            }
            self.publish();
        }
        Ok(count)
    }
}
