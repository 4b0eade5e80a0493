//! Brings the log to one subscriber, in the order of each bucket, until it says that it has it.
//!
//! The subscriber's cursor is the only truth: what is remembered here is lost with the process and asked
//! again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proto::rapport::event::v1 as pb;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::link::Link;
use super::pause;
use super::progress::{Progress, Stand};
use super::status::{Report, Subscription};
use crate::log::{Buckets, Log, Portions};
use crate::{Place, trace};

/// Cursors that only pass over events of other kinds move this often.
const FLUSH: Duration = Duration::from_millis(250);
/// A subscriber that fails is called again after this, doubled each time.
const BACKOFF: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// How often a subscriber is asked where it stands although nothing is to be brought: its database may have
/// been restored, and a quiet log would never notice.
const ASK: Duration = Duration::from_secs(5);
/// How often the places are written down for retention, and buckets that stand still are asked about again.
const NOTE: Duration = Duration::from_secs(5);
/// Rounds until an event that failed is tried again.
const FAILING_ROUNDS: u32 = 10;

/// The courier of one subscriber.
#[derive(Debug)]
pub struct Courier {
    log: Log,
    subscriber: &'static str,
    link: Link,
    buckets: watch::Receiver<Arc<Buckets>>,
    kinds: Vec<String>,
    progress: Progress,
    noted: BTreeMap<i32, i64>,
    oldest: Option<i64>,
    flushed: Instant,
    asked: Instant,
    report: Report,
}

/// What is sent in one call.
#[derive(Clone, Debug, PartialEq)]
pub struct Parcel {
    request: pb::DeliverRequest,
    /// More follows that found no room.
    more: bool,
}

impl Courier {
    pub(super) fn new(
        log: Log,
        (subscriber, link): (&'static str, Link),
        buckets: watch::Receiver<Arc<Buckets>>,
        report: Report,
    ) -> Courier {
        Courier {
            log,
            subscriber,
            link,
            buckets,
            kinds: Vec::new(),
            progress: Progress::default(),
            noted: BTreeMap::new(),
            oldest: None,
            flushed: Instant::now(),
            asked: Instant::now(),
            report,
        }
    }

    /// Reads what is to be sent next; `None` if there is nothing. With `flush` cursors that only pass over
    /// events of other kinds are moved too.
    ///
    /// # Errors
    /// That the database refused.
    pub async fn next(&mut self, flush: bool) -> Result<Option<Parcel>, db::Error> {
        let buckets = self.buckets.borrow_and_update().clone();
        self.progress.hold(&buckets);
        let questions: Vec<_> =
            self.progress.unknown().filter_map(|bucket| Progress::question(bucket, &buckets)).collect();
        let (slices, more) = if questions.is_empty() {
            let after = self.progress.to_read(&buckets);
            let Portions { portions, more } = self.log.portions(&buckets, &after, &self.kinds).await?;
            (self.progress.slices(&buckets, portions, flush), more)
        } else {
            (questions, false)
        };
        Ok((!slices.is_empty()).then(|| self.parcel(slices, more)))
    }

    fn parcel(&self, slices: Vec<pb::Slice>, more: bool) -> Parcel {
        let request = pb::DeliverRequest {
            source: self.log.source().to_owned(),
            log_id: self.log.id().to_string(),
            kinds: self.kinds.clone(),
            slices,
        };
        Parcel { request, more }
    }

    /// Asks where the subscriber stands in every bucket in which it is known to stand somewhere.
    async fn ask(&mut self) -> Result<(), String> {
        let buckets = self.buckets.borrow().clone();
        let known = self.progress.standing();
        let slices: Vec<_> = known.filter_map(|bucket| Progress::question(bucket, &buckets)).collect();
        if slices.is_empty() {
            return Ok(());
        }
        let answer = self.send(&self.parcel(slices, false)).await;
        let answer = answer.map_err(|status| status.message().to_owned())?;
        self.acknowledge(answer).await.map_err(|error| error.to_string())
    }

    /// Sends a parcel; changes nothing here.
    ///
    /// # Errors
    /// What the subscriber answered, or that it did not.
    pub async fn send(&self, parcel: &Parcel) -> Result<pb::DeliverResponse, Status> {
        trace::delivering(self.subscriber, &parcel.request, self.link.deliver(parcel.request.clone())).await
    }

    /// Takes note of the subscriber's answer.
    ///
    /// # Errors
    /// That the database refused to say what the log has at the subscriber's cursors.
    pub async fn acknowledge(&mut self, answer: pb::DeliverResponse) -> Result<(), db::Error> {
        if answer.kinds != self.kinds {
            self.kinds = answer.kinds;
            self.progress.forget(false);
        }
        let mut moved = Vec::new();
        for outcome in answer.outcomes {
            let (bucket, state) = (outcome.bucket, outcome.state());
            let Some(cursor) = Place::of(outcome.cursor.as_ref()) else { continue };
            match state {
                pb::SliceState::Applied => self.progress.applied(bucket, cursor),
                pb::SliceState::Rewind => moved.push((bucket, cursor)),
                pb::SliceState::Failed => {
                    self.progress.set(bucket, Stand::Failing { cursor, rounds: FAILING_ROUNDS });
                }
                pb::SliceState::LogDiverged => self.stop(bucket, Stand::Diverged, "LOG_DIVERGED"),
                pb::SliceState::LogTruncated => self.stop(bucket, Stand::Truncated, "LOG_TRUNCATED"),
                pb::SliceState::KindsDiffer | pb::SliceState::Unspecified => {}
            }
        }
        // The log's own events at these places go with the next slice, so that the subscriber can compare.
        let positions: Vec<_> = moved.iter().map(|(bucket, cursor)| (*bucket, cursor.position)).collect();
        let marks = self.log.marks(&positions).await?;
        for (bucket, cursor) in moved {
            let event_id = marks.get(&(bucket, cursor.position)).copied().unwrap_or_default();
            self.progress.stands_at(bucket, Place { position: cursor.position, event_id });
        }
        Ok(())
    }

    fn stop(&mut self, bucket: i32, stand: Stand, reason: &'static str) {
        let (source, subscriber) = (self.log.source(), self.subscriber);
        tracing::error!(
            source,
            subscriber,
            bucket,
            reason,
            "a bucket of the event log stands still until an operator decides: rapport events replay"
        );
        self.progress.set(bucket, stand);
    }

    /// Lets events that failed be tried again at once.
    pub fn retry_failing(&mut self) {
        for _ in 0..=FAILING_ROUNDS {
            self.progress.round();
        }
    }

    /// Asks the subscriber anew where it stands, also in buckets that stand still.
    pub fn ask_again(&mut self) {
        self.progress.forget(true);
    }

    /// The positions that the subscriber has, as far as it has said so.
    pub fn places(&self) -> BTreeMap<i32, i64> {
        self.progress.places()
    }

    /// Brings everything that has a position, until the subscriber has it or fails. Returns how many calls
    /// that took.
    ///
    /// # Errors
    /// What the subscriber or the database answered.
    pub async fn run_once(&mut self) -> Result<usize, Status> {
        let mut calls = 0;
        while let Some(parcel) = self.next(true).await.map_err(|error| rpc::internal(&error))? {
            let answer = self.send(&parcel).await;
            let answer = answer.inspect_err(|_| self.progress.reread())?;
            self.acknowledge(answer).await.map_err(|error| rpc::internal(&error))?;
            calls += 1;
        }
        self.tell(true);
        Ok(calls)
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut failures: u32 = 0;
        let mut noted = Instant::now();
        loop {
            let round = tokio::select! {
                () = stop.cancelled() => break,
                round = self.round() => round,
            };
            self.progress.round();
            let wait = match round {
                Ok(Round::Full) => {
                    failures = 0;
                    Duration::ZERO
                }
                Ok(Round::Busy) => {
                    failures = 0;
                    pause(self.log.db.backend())
                }
                Ok(Round::Idle) => FLUSH,
                Err(reason) => {
                    failures = failures.saturating_add(1);
                    if failures == 1 {
                        tracing::warn!(subscriber = self.subscriber, reason, "events cannot be delivered");
                    }
                    self.progress.reread();
                    backoff(failures)
                }
            };
            self.tell(failures == 0);
            if noted.elapsed() >= NOTE {
                noted = Instant::now();
                self.note().await;
            }
            let idle = matches!(wait, FLUSH);
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
                changed = self.buckets.changed(), if idle => if changed.is_err() { break },
            }
        }
        self.note().await;
    }

    async fn round(&mut self) -> Result<Round, String> {
        if self.asked.elapsed() >= ASK {
            self.asked = Instant::now();
            self.ask().await?;
        }
        let flush = self.flushed.elapsed() >= FLUSH;
        let Some(parcel) = self.next(flush).await.map_err(|error| error.to_string())? else {
            return Ok(Round::Idle);
        };
        if flush {
            self.flushed = Instant::now();
        }
        let answer = self.send(&parcel).await.map_err(|status| status.message().to_owned())?;
        self.acknowledge(answer).await.map_err(|error| error.to_string())?;
        Ok(if parcel.more { Round::Full } else { Round::Busy })
    }

    /// Writes down how far the subscriber is, for retention; looks up what it lacks; asks again about buckets
    /// that stand still.
    async fn note(&mut self) {
        let places = self.progress.places();
        if places != self.noted {
            match self.log.acknowledge(self.subscriber, &places).await {
                Ok(()) => self.noted = places,
                Err(error) => tracing::warn!(%error, "the progress of a subscriber was not written down"),
            }
        }
        let next: Vec<_> = self.progress.places().into_iter().map(|(bucket, at)| (bucket, at + 1)).collect();
        // A figure for people; what cannot be looked up now is looked up the next time.
        self.oldest = self.log.oldest(&next).await.unwrap_or_default();
        let sum = self.progress.sum(&self.buckets.borrow());
        if sum.diverged + sum.truncated > 0 {
            self.progress.forget(true);
        }
    }

    /// Reports what is known now.
    fn tell(&self, reachable: bool) {
        let buckets = self.buckets.borrow();
        let sum = self.progress.sum(&buckets);
        self.report.publish(Subscription {
            source: self.log.source(),
            subscriber: self.subscriber,
            lag: sum.lag,
            places: self.progress.places(),
            oldest: self.oldest,
            buckets: i32::try_from(buckets.len()).unwrap_or(i32::MAX),
            unknown: sum.unknown,
            failing: sum.failing,
            diverged: sum.diverged,
            truncated: sum.truncated,
            reachable,
        });
    }
}

enum Round {
    /// More waits already.
    Full,
    Busy,
    Idle,
}

fn backoff(failures: u32) -> Duration {
    let doubled = BACKOFF.saturating_mul(1 << failures.min(16).saturating_sub(1)).min(BACKOFF_MAX);
    doubled.mul_f64(rand::random_range(0.5..1.0))
}
