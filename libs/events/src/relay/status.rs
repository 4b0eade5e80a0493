//! What a relay says of itself: how far each subscriber is, and whether everything has arrived.

use std::collections::BTreeMap;
use std::sync::Arc;

use telemetry::KeyValue;
use telemetry::names::{attribute, metric};
use tokio::sync::watch;

use crate::log::{Bucket, Buckets};
use crate::machine_now_micros;

/// How far one subscriber is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// The service whose log it is.
    pub source: &'static str,
    /// Who reads it.
    pub subscriber: &'static str,
    /// Events with a position that it has not acknowledged.
    pub lag: i64,
    /// The position up to which it has acknowledged each bucket.
    pub places: BTreeMap<i32, i64>,
    /// Order key of the oldest event that it lacked when that was last looked up, if it lacked any.
    pub oldest: Option<i64>,
    /// Buckets whose lease this process holds.
    pub buckets: i32,
    /// Buckets about which it was not asked yet.
    pub unknown: i32,
    /// Buckets with an event that fails.
    pub failing: i32,
    /// Buckets that stand still with LOG_DIVERGED.
    pub diverged: i32,
    /// Buckets that stand still with LOG_TRUNCATED.
    pub truncated: i32,
    /// False while calls to it fail.
    pub reachable: bool,
}

impl Subscription {
    /// The same with the lag behind these buckets: a courier reports only after its calls.
    pub(crate) fn measured(self, buckets: &Buckets) -> Subscription {
        let behind = |(bucket, state): (&i32, &Bucket)| {
            self.places.get(bucket).map(|position| (state.last.position - position).max(0))
        };
        let lag = buckets.iter().filter_map(behind).sum();
        Subscription { lag, ..self }
    }
}

/// Where a courier reports to; watched by everybody who wants to know.
#[derive(Clone, Debug)]
pub(crate) struct Report(Arc<watch::Sender<Subscription>>);

impl Report {
    pub(crate) fn new(source: &'static str, subscriber: &'static str) -> Report {
        let nothing = Subscription { source, subscriber, unknown: 1, ..Subscription::default() };
        Report(Arc::new(watch::Sender::new(nothing)))
    }

    pub(crate) fn publish(&self, subscription: Subscription) {
        self.0.send_if_modified(|known| {
            let changed = *known != subscription;
            *known = subscription;
            changed
        });
    }

    pub(crate) fn now(&self) -> Subscription {
        self.0.borrow().clone()
    }

    /// Resolves when the subscriber has every event of these buckets.
    pub(crate) async fn caught_up(&self, buckets: &Buckets) {
        let arrived = |s: &Subscription| {
            let has = |(bucket, state): (&i32, &Bucket)| {
                s.places.get(bucket).is_some_and(|position| *position >= state.last.position)
            };
            buckets.iter().all(has)
        };
        // The sender is held here, so it is never closed.
        let _ = self.0.subscribe().wait_for(arrived).await;
    }
}

/// Shows the figures as metrics for as long as the process runs.
pub(super) fn observe(reports: &[Report]) {
    let meter = telemetry::meter();
    let (lags, ages, stops) = (reports.to_vec(), reports.to_vec(), reports.to_vec());
    let labels = |s: &Subscription| {
        [
            KeyValue::new(attribute::MESSAGING_DESTINATION_NAME, s.source),
            KeyValue::new(attribute::MESSAGING_CONSUMER_GROUP_NAME, s.subscriber),
        ]
    };
    meter
        .i64_observable_gauge(metric::EVENTS_LAG)
        .with_description("Events with a position that a subscriber has not acknowledged")
        .with_callback(move |gauge| {
            for subscription in lags.iter().map(Report::now) {
                gauge.observe(subscription.lag, &labels(&subscription));
            }
        })
        .build();
    meter
        .f64_observable_gauge(metric::EVENTS_OLDEST_AGE)
        .with_description("Age of the oldest event that a subscriber lacks, in seconds")
        .with_callback(move |gauge| {
            for subscription in ages.iter().map(Report::now) {
                let age = |order_key| machine_now_micros().saturating_sub(order_key).max(0) as f64 / 1e6;
                gauge.observe(subscription.oldest.map_or(0.0, age), &labels(&subscription));
            }
        })
        .build();
    meter
        .i64_observable_gauge(metric::EVENTS_STOPPED)
        .with_description("Buckets that stand still until an operator decides")
        .with_callback(move |gauge| {
            for subscription in stops.iter().map(Report::now) {
                let stopped = i64::from(subscription.diverged + subscription.truncated);
                gauge.observe(stopped, &labels(&subscription));
            }
        })
        .build();
}
