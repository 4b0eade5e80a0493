//! Every key: what it allows, in words, and whether its value is a secret.

use super::{Database, Settings};

/// One key.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// Ends the sentence "expected ..".
    pub(super) allowed: &'static str,
    /// False if the value, already of the right type, is out of range.
    pub(super) fits: fn(&Settings) -> bool,
    pub(super) secret: bool,
}

impl Key {
    const fn new(name: &'static str, allowed: &'static str, fits: fn(&Settings) -> bool) -> Key {
        Key { name, allowed, fits, secret: false }
    }

    const fn any(name: &'static str, allowed: &'static str) -> Key {
        Key::new(name, allowed, |_| true)
    }

    const fn secret(self) -> Key {
        Key { secret: true, ..self }
    }
}

const ADDRESS: &str = "an IP address and a port, such as 127.0.0.1:7400";
const BOOLEAN: &str = "true or false";
const CONNECTIONS: &str = "a whole number from 2 to 1000";
const COUNT: &str = "a whole number from 1 to 1000000";
const HTTP: &str = "http://host:port, or nothing";
const MILLIS: &str = "milliseconds, a whole number from 1 to 3600000";
const POSTGRES: &str = "postgres://user:password@host:port/database, or nothing";
const REDIS: &str = "redis://user:password@host:port/database, rediss:// for TLS, or nothing";

pub(super) const KEYS: &[Key] = &[
    Key::new("data_dir", "the path of a directory", |s| !s.data_dir.as_os_str().is_empty()),
    Key::any("server.listen", ADDRESS),
    Key::any("server.ops_listen", ADDRESS),
    Key::any("server.insecure", BOOLEAN),
    Key::any("server.reflection", "auto, on or off"),
    Key::new("server.deadline_max_ms", MILLIS, |s| is_millis(s.server.deadline_max_ms)),
    Key::new("server.in_flight_max", COUNT, |s| is_count(s.server.in_flight_max)),
    Key::new("server.queue_max", COUNT, |s| is_count(s.server.queue_max)),
    Key::new("server.connections_max", COUNT, |s| is_count(s.server.connections_max)),
    Key::new("server.drain_ms", MILLIS, |s| is_millis(s.server.drain_ms)),
    Key::new("telemetry.otlp_endpoint", HTTP, |s| is_http(&s.telemetry.otlp_endpoint)),
    Key::new("telemetry.trace_sample_ratio", "a number from 0 to 1", |s| {
        (0.0..=1.0).contains(&s.telemetry.trace_sample_ratio)
    }),
    Key::any("telemetry.log_level", "a level such as info, or a list such as info,h2=warn"),
    Key::any("telemetry.log_format", "auto, json or pretty"),
    Key::any("events.listen", ADDRESS),
    Key::new("events.token", "at least 16 visible characters, or nothing", |s| is_token(&s.events.token))
        .secret(),
    Key::new("feedback.database.url", POSTGRES, |s| is_postgres(&s.feedback.database.url)).secret(),
    Key::new("feedback.database.connections_max", CONNECTIONS, |s| is_connections(&s.feedback.database)),
    Key::any("feedback.database.synchronous", "full or normal"),
    Key::new("feedback.subscribers.notification", HTTP, |s| is_http(&s.feedback.subscribers.notification)),
    Key::new("feedback.subscribers.scoring", HTTP, |s| is_http(&s.feedback.subscribers.scoring)),
    Key::new("scoring.database.url", POSTGRES, |s| is_postgres(&s.scoring.database.url)).secret(),
    Key::new("scoring.database.connections_max", CONNECTIONS, |s| is_connections(&s.scoring.database)),
    Key::any("scoring.database.synchronous", "full or normal"),
    Key::new("loyalty.lanes", "a whole number from 1 to 64", |s| (1..=64).contains(&s.loyalty.lanes)),
    Key::new("loyalty.database.url", POSTGRES, |s| is_postgres(&s.loyalty.database.url)).secret(),
    Key::new("loyalty.database.connections_max", CONNECTIONS, |s| is_connections(&s.loyalty.database)),
    Key::any("loyalty.database.synchronous", "full or normal"),
    Key::new("loyalty.redis.url", REDIS, |s| {
        s.loyalty.redis.url.split(',').all(|url| is_url(url, &["redis", "rediss"]))
    })
    .secret(),
    Key::any("loyalty.redis.cluster", BOOLEAN),
    Key::new("loyalty.subscribers.notification", HTTP, |s| is_http(&s.loyalty.subscribers.notification)),
    Key::new("loyalty.subscribers.scoring", HTTP, |s| is_http(&s.loyalty.subscribers.scoring)),
    Key::any("notification.file_sink", "the path of a file, or nothing"),
    Key::new("notification.database.url", POSTGRES, |s| is_postgres(&s.notification.database.url)).secret(),
    Key::new("notification.database.connections_max", CONNECTIONS, |s| {
        is_connections(&s.notification.database)
    }),
    Key::any("notification.database.synchronous", "full or normal"),
];

pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

fn is_token(value: &str) -> bool {
    value.is_empty() || (value.len() >= 16 && value.bytes().all(|byte| byte.is_ascii_graphic()))
}

fn is_connections(database: &Database) -> bool {
    (2..=1_000).contains(&database.connections_max)
}

fn is_count(value: usize) -> bool {
    (1..=1_000_000).contains(&value)
}

fn is_millis(value: u64) -> bool {
    (1..=3_600_000).contains(&value)
}

fn is_http(value: &str) -> bool {
    is_url(value, &["http", "https"])
}

fn is_postgres(value: &str) -> bool {
    let names_database = url::Url::parse(value).is_ok_and(|url| url.path().len() > 1);
    value.is_empty() || (names_database && is_url(value, &["postgres", "postgresql"]))
}

fn is_url(value: &str, schemes: &[&str]) -> bool {
    value.is_empty() || url::Url::parse(value).is_ok_and(|url| schemes.contains(&url.scheme()))
}
