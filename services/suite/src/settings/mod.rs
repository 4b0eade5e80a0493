//! What can be set, with its defaults; how it is read from file, environment and flags; how it is shown.
//!
//! A wrong value is one line that names the key, the value and what is allowed. Secrets are never shown.

mod keys;
mod load;
mod show;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use load::{database_url, load, load_for, variable_of};
pub(crate) use show::print;

/// The settings of the whole executable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Directory of the embedded databases.
    pub data_dir: PathBuf,
    /// What all services of the process share.
    pub server: Server,
    /// Traces, metrics, logs.
    pub telemetry: Telemetry,
    /// Events between services.
    pub events: Events,
    /// The feedback service.
    pub feedback: Feedback,
    /// The scoring service.
    pub scoring: Scoring,
    /// The loyalty service.
    pub loyalty: Loyalty,
    /// The notification service.
    pub notification: Notification,
}

/// What a server listens on and how much it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where calls are answered.
    pub listen: SocketAddr,
    /// Where health and metrics are answered.
    pub ops_listen: SocketAddr,
    /// Allows `listen` off loopback without authentication.
    pub insecure: bool,
    /// Whether callers may list methods and messages.
    pub reflection: Reflection,
    /// The longest a call may take, in milliseconds.
    pub deadline_max_ms: u64,
    /// Calls worked on at once.
    pub in_flight_max: usize,
    /// Calls waiting for their turn.
    pub queue_max: usize,
    /// Open connections.
    pub connections_max: usize,
    /// How long calls under way may take once the server closes, in milliseconds.
    pub drain_ms: u64,
}

/// When callers may list methods and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reflection {
    /// On loopback only.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Traces, metrics, logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Collector that takes the traces; none if empty.
    pub otlp_endpoint: String,
    /// The part of new traces that is recorded, 0 to 1.
    pub trace_sample_ratio: f64,
    /// A level or a list of directives.
    pub log_level: String,
    /// The shape of a log line.
    pub log_format: LogFormat,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// The loyalty service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Loyalty {
    /// Lanes that commit commands in groups, on PostgreSQL.
    pub lanes: usize,
    /// Where the ledger is.
    pub database: Database,
    /// What stands in front of it.
    pub redis: Redis,
    /// Services in other processes that take its events.
    pub subscribers: Subscribers,
}

/// Where the subscribers of a service's events listen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Subscribers {
    /// The notification service's `events.listen`; none if empty.
    pub notification: String,
    /// The scoring service's `events.listen`; none if empty.
    pub scoring: String,
}

/// The feedback service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Feedback {
    /// Where submissions and cases are.
    pub database: Database,
    /// Services in other processes that take its events.
    pub subscribers: Subscribers,
}

/// The scoring service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scoring {
    /// Where observations, scores and profiles are.
    pub database: Database,
}

/// The notification service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notification {
    /// A file that every message is appended to as a line of JSON; none if empty.
    pub file_sink: PathBuf,
    /// Where messages are.
    pub database: Database,
}

/// Events between services.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// Where a service that takes events listens for them.
    pub listen: SocketAddr,
    /// What services carry when they deliver events; needed off loopback. Secret.
    pub token: String,
}

/// A service's database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// PostgreSQL; empty means SQLite in the data directory. Secret.
    pub url: String,
    /// Connections to PostgreSQL.
    pub connections_max: u32,
    /// How durable SQLite is.
    pub synchronous: Synchronous,
}

/// How soon an acknowledged commit survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// At once.
    Full,
    /// A little later.
    Normal,
}

/// A service's cache.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redis {
    /// Where Redis is; none if empty. Secret.
    pub url: String,
    /// Whether the URL names nodes of a cluster.
    pub cluster: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            data_dir: PathBuf::from("./rapport-data"),
            server: Server::default(),
            telemetry: Telemetry::default(),
            events: Events::default(),
            feedback: Feedback::default(),
            scoring: Scoring::default(),
            loyalty: Loyalty::default(),
            notification: Notification::default(),
        }
    }
}

impl Default for Events {
    fn default() -> Events {
        Events { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7402)), token: String::new() }
    }
}

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)),
            ops_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7401)),
            insecure: false,
            reflection: Reflection::Auto,
            deadline_max_ms: 30_000,
            in_flight_max: 512,
            queue_max: 4_096,
            connections_max: 1_024,
            drain_ms: 20_000,
        }
    }
}

impl Default for Telemetry {
    fn default() -> Telemetry {
        Telemetry {
            otlp_endpoint: String::new(),
            trace_sample_ratio: 1.0,
            log_level: "info,sea_orm_migration=warn,sqlx=warn".to_owned(),
            log_format: LogFormat::Auto,
        }
    }
}

impl Default for Scoring {
    /// All that scoring writes comes from events, in one commit with its cursor: commits that a power cut
    /// takes are delivered again.
    fn default() -> Scoring {
        Scoring { database: Database { synchronous: Synchronous::Normal, ..Database::default() } }
    }
}

impl Default for Loyalty {
    fn default() -> Loyalty {
        Loyalty {
            lanes: 2,
            database: Database::default(),
            redis: Redis::default(),
            subscribers: Subscribers::default(),
        }
    }
}

impl Default for Database {
    fn default() -> Database {
        Database { url: String::new(), connections_max: 8, synchronous: Synchronous::Full }
    }
}
