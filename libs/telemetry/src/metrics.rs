//! One registry per process, made on first use: an instrument created before [`crate::init`] counts all the
//! same.

use std::sync::LazyLock;

use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::{Histogram, Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

use crate::names;

struct Metrics {
    registry: Registry,
    meter: Meter,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .without_target_info()
        .scope_info_enabled(false)
        .build();
    let builder = SdkMeterProvider::builder();
    let provider = match exporter {
        Ok(exporter) => builder.with_reader(exporter).build(),
        // Only a collector registered twice is refused, and this registry is new.
        Err(_) => builder.build(),
    };
    opentelemetry::global::set_meter_provider(provider.clone());
    let scope = InstrumentationScope::builder(names::SCOPE).with_schema_url(names::SCHEMA_URL).build();
    let meter = provider.meter_with_scope(scope);
    Metrics { registry, meter }
});

/// The meter of the process. Make each instrument once and keep it.
pub fn meter() -> Meter {
    METRICS.meter.clone()
}

/// A histogram of durations in seconds, with the suite's buckets.
pub fn seconds(name: &'static str, description: &'static str) -> Histogram<f64> {
    let builder = METRICS.meter.f64_histogram(name).with_unit("s").with_description(description);
    builder.with_boundaries(names::SECONDS.to_vec()).build()
}

/// All metrics of the process, in the Prometheus text format.
pub fn render_metrics() -> String {
    TextEncoder::new().encode_to_string(&METRICS.registry.gather()).unwrap_or_else(|error| {
        tracing::error!(%error, "metrics could not be written");
        String::new()
    })
}
