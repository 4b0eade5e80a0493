//! What the ledger counts of itself. Labels come from small fixed sets, never from members or requests.

use std::sync::LazyLock;

use opentelemetry::metrics::{Counter, Gauge, Histogram};
use requests::Answer as Given;
use telemetry::KeyValue;
use telemetry::names::{attribute, metric};

use super::Answer;

static COMMANDS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    let meter = telemetry::meter();
    meter.u64_counter(metric::LEDGER_COMMANDS).with_description("Commands answered, by outcome").build()
});

static REPLAYS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    let meter = telemetry::meter();
    let described = "Commands answered from the record of an earlier one";
    meter.u64_counter(metric::REPLAYS).with_description(described).build()
});

static BATCHES: LazyLock<Histogram<u64>> = LazyLock::new(|| {
    let meter = telemetry::meter();
    let bounds = vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
    let histogram = meter.u64_histogram(metric::LEDGER_BATCH_SIZE).with_boundaries(bounds);
    histogram.with_description("Commands committed together").build()
});

static IMBALANCE: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    let meter = telemetry::meter();
    let described = "Points by which the last audit found the books to disagree; must be 0";
    meter.i64_gauge(metric::LEDGER_IMBALANCE).with_description(described).build()
});

/// Counts a committed batch.
pub(super) fn committed(answers: &[Answer]) {
    BATCHES.record(answers.len() as u64, &[]);
    let (mut done, mut refused, mut replayed, mut failed) = (0, 0, 0, 0);
    for answer in answers {
        match answer {
            Answer::Given(Given::Written { replayed: true, .. }) => replayed += 1,
            Answer::Given(Given::Written { written, .. }) if written.status == 0 => done += 1,
            Answer::Given(_) | Answer::NoWallet | Answer::NotDone(_) => refused += 1,
            Answer::Panicked => failed += 1,
            Answer::Again(_) => {}
        }
    }
    for (outcome, count) in [("done", done), ("refused", refused), ("failed", failed)] {
        if count > 0 {
            COMMANDS.add(count, &[KeyValue::new(attribute::OUTCOME, outcome)]);
        }
    }
    if replayed > 0 {
        REPLAYS.add(replayed, &[]);
    }
}

/// Remembers what an audit found.
pub(crate) fn audited(imbalance: i64) {
    IMBALANCE.record(imbalance, &[]);
}
