//! Starting and ending telemetry. A second start in one process is no error: it reuses the logs and the
//! metrics of the first.

use std::io::IsTerminal as _;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue, global};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::logs::Lines;
use crate::{metrics, names, span};

/// How long one export may take before its spans are given up.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// What telemetry needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `service.name` of every span and `service` of every JSON line.
    pub service_name: String,
    /// Where spans go, `http://host:4317`; none turns tracing off.
    pub otlp_endpoint: Option<String>,
    /// The part of traces that begin here and are recorded, 0 to 1. A caller's own decision is followed.
    pub trace_sample_ratio: f64,
    /// What is logged: a level, or directives such as `info,rapport_loyalty=debug`.
    pub log_level: String,
    /// The shape of a line.
    pub log_format: LogFormat,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            service_name: "rapport".to_owned(),
            otlp_endpoint: None,
            trace_sample_ratio: 1.0,
            log_level: "info".to_owned(),
            log_format: LogFormat::Auto,
        }
    }
}

/// The shape of a log line on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Pretty,
}

/// Why telemetry cannot start: always a setting.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a level and not a list of directives.
    #[error(
        "log level `{0}` is neither off, error, warn, info, debug, trace nor a list such as `info,h2=warn`"
    )]
    LogLevel(String),
    /// Not a part of a whole.
    #[error("trace sample ratio {0} is not between 0 and 1")]
    SampleRatio(f64),
    /// Not an address of a collector.
    #[error("OTLP endpoint `{endpoint}` cannot be used: {reason}")]
    Endpoint {
        /// As configured.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Telemetry of one server; clones are the same.
#[derive(Clone, Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// Starts logs, metrics and, with an endpoint, traces. Needs a tokio runtime: the exporter lives in it. In a
/// process where logs are set up already their settings stay; the newest endpoint takes the spans.
pub fn init(settings: Settings) -> Result<Telemetry, Error> {
    if !(0.0..=1.0).contains(&settings.trace_sample_ratio) {
        return Err(Error::SampleRatio(settings.trace_sample_ratio));
    }
    start_logs(&settings)?;
    metrics::meter();
    global::set_text_map_propagator(TraceContextPropagator::new());
    let provider = settings.otlp_endpoint.as_deref().map(|to| start_traces(&settings, to)).transpose()?;
    if let Some(provider) = &provider {
        let scope = InstrumentationScope::builder(names::SCOPE).with_schema_url(names::SCHEMA_URL).build();
        span::set_tracer(Some(provider.tracer_with_scope(scope)));
        global::set_tracer_provider(provider.clone());
    }
    Ok(Telemetry { provider })
}

fn start_logs(settings: &Settings) -> Result<(), Error> {
    // OpenTelemetry reports its own start as news.
    let quiet = "opentelemetry=warn,sqlx=warn,sea_orm_migration=warn";
    let filter = EnvFilter::try_new(format!("{quiet},{}", settings.log_level));
    let filter = filter.map_err(|_| Error::LogLevel(settings.log_level.clone()))?;
    let terminal = std::io::stderr().is_terminal();
    let json = match settings.log_format {
        LogFormat::Auto => !terminal,
        LogFormat::Json => true,
        LogFormat::Pretty => false,
    };
    let lines = match json {
        true => Lines::Json { service: settings.service_name.clone() },
        false => Lines::Pretty { colours: terminal },
    };
    let layer = tracing_subscriber::fmt::layer().with_ansi(terminal && !json).with_writer(std::io::stderr);
    let first =
        tracing_subscriber::registry().with(filter).with(layer.event_format(lines)).try_init().is_ok();
    if first && json {
        std::panic::set_hook(Box::new(|panic| {
            let location = panic.location().map(ToString::to_string);
            tracing::error!(location, panic = panic.payload_as_str(), "panic");
        }));
    }
    Ok(())
}

fn start_traces(settings: &Settings, endpoint: &str) -> Result<SdkTracerProvider, Error> {
    let exporter =
        SpanExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(EXPORT_TIMEOUT).build();
    let exporter = exporter
        .map_err(|error| Error::Endpoint { endpoint: endpoint.to_owned(), reason: error.to_string() })?;
    let resource = Resource::builder()
        .with_service_name(settings.service_name.clone())
        .with_schema_url([KeyValue::new("service.namespace", "rapport")], names::SCHEMA_URL)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let root = Sampler::TraceIdRatioBased(settings.trace_sample_ratio);
    Ok(SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(root)))
        .with_resource(resource)
        .with_batch_exporter(exporter)
        .build())
}

impl Telemetry {
    /// All metrics of the process, in the Prometheus text format.
    pub fn render_metrics(&self) -> String {
        metrics::render_metrics()
    }

    /// Sends the spans that have ended. False if the collector did not take them in time.
    pub async fn flush(&self, timeout: Duration) -> bool {
        self.within(timeout, |provider| provider.force_flush()).await
    }

    /// Sends what is left and stops; false if the collector did not take it in time.
    pub async fn shutdown(&self, timeout: Duration) -> bool {
        let sent = self.within(timeout, move |provider| provider.shutdown_with_timeout(timeout)).await;
        if !sent {
            tracing::warn!(?timeout, "the last spans were not taken by the collector");
        }
        sent
    }

    /// A thread of its own, not the runtime's blocking pool: the runtime would wait for that one when it
    /// ends.
    async fn within(
        &self,
        timeout: Duration,
        work: impl FnOnce(SdkTracerProvider) -> OTelSdkResult + Send + 'static,
    ) -> bool {
        let Some(provider) = self.provider.clone() else { return true };
        let (done, ended) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new().name("telemetry-flush".to_owned());
        let started = thread.spawn(move || {
            let _ = done.send(work(provider).is_ok());
        });
        started.is_ok() && matches!(tokio::time::timeout(timeout, ended).await, Ok(Ok(true)))
    }
}
