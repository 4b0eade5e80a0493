//! What the cache reports about itself.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge};
use telemetry::names::{attribute, metric};

use crate::Key;
use crate::snapshot::Read;

/// Cache writes by kind and outcome: taken, refused (the store has it, or newer), bypassed, error.
const WRITES: &str = "rapport.cache.writes";

/// Which of the two stores.
const STORE: &str = "rapport.cache.store";

#[derive(Debug)]
pub(crate) struct Metrics {
    store: &'static str,
    reads: Counter<u64>,
    writes: Counter<u64>,
    leases: Counter<u64>,
    breaker_open: Gauge<u64>,
}

/// Why a call brought nothing.
#[derive(Clone, Copy)]
pub(crate) enum Lost {
    /// The breaker was open.
    Bypassed,
    /// The call failed.
    Error,
    /// Something that is not ours stood under the key.
    Garbage,
}

/// What became of a reader that missed.
#[derive(Clone, Copy)]
pub(crate) enum Leasing {
    /// It reads the database for the others.
    Taken,
    /// Another one brought what it wants.
    WaitedHit,
    /// It waited in vain and reads the database for itself.
    WaitedTimeout,
    /// What it read was not accepted, because the key was written meanwhile or it took too long.
    Void,
}

impl Metrics {
    pub(crate) fn new(store: &'static str) -> Metrics {
        let meter = telemetry::meter();
        Metrics {
            store,
            reads: meter.u64_counter(metric::CACHE_READS).with_description("Cache reads by outcome").build(),
            writes: meter.u64_counter(WRITES).with_description("Cache writes by outcome").build(),
            leases: meter
                .u64_counter(metric::CACHE_LEASES)
                .with_description("Fill leases by outcome")
                .build(),
            breaker_open: meter
                .u64_gauge(metric::CACHE_BREAKER_OPEN)
                .with_description("1 while the breaker keeps calls away from the cache")
                .build(),
        }
    }

    pub(crate) fn read(&self, key: &Key, read: &Read) {
        let outcome = match read {
            Read::Hit(_) => "hit",
            Read::Miss => "miss",
            Read::Stale => "refused",
        };
        self.reads.add(1, &self.labels(key, outcome));
    }

    pub(crate) fn read_lost(&self, key: &Key, lost: Lost) {
        self.reads.add(1, &self.labels(key, lost.outcome()));
    }

    pub(crate) fn written(&self, key: &Key, taken: bool) {
        self.writes.add(1, &self.labels(key, if taken { "taken" } else { "refused" }));
    }

    pub(crate) fn write_lost(&self, key: &Key, lost: Lost) {
        self.writes.add(1, &self.labels(key, lost.outcome()));
    }

    pub(crate) fn lease(&self, key: &Key, leasing: Leasing) {
        let outcome = match leasing {
            Leasing::Taken => "taken",
            Leasing::WaitedHit => "waited_hit",
            Leasing::WaitedTimeout => "waited_timeout",
            Leasing::Void => "void",
        };
        self.leases.add(1, &self.labels(key, outcome));
    }

    pub(crate) fn lease_lost(&self, key: &Key, lost: Lost) {
        self.leases.add(1, &self.labels(key, lost.outcome()));
    }

    pub(crate) fn breaker(&self, open: bool) {
        self.breaker_open.record(u64::from(open), &[KeyValue::new(STORE, self.store)]);
    }

    fn labels(&self, key: &Key, outcome: &'static str) -> [KeyValue; 3] {
        [
            KeyValue::new(attribute::OUTCOME, outcome),
            KeyValue::new(attribute::CACHE_KIND, key.kind()),
            KeyValue::new(STORE, self.store),
        ]
    }
}

impl Lost {
    fn outcome(self) -> &'static str {
        match self {
            Lost::Bypassed => "bypassed",
            Lost::Error => "error",
            Lost::Garbage => "garbage",
        }
    }
}
