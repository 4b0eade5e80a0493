//! From the settings' words to those of the libraries.

use std::time::Duration;

use rpc::ServiceToken;
use rpc::server;

use super::Role;
use crate::settings::{LogFormat, Reflection, Settings};

/// What the server listens on and how much it takes; other services call only who takes events.
pub(super) fn server_settings(settings: &Settings, takes_events: bool) -> server::Settings {
    let from = &settings.server;
    server::Settings {
        internal_listen: takes_events.then_some(settings.events.listen),
        service_token: token(settings).map(ServiceToken::new),
        insecure: from.insecure,
        reflection: match from.reflection {
            Reflection::Auto => from.listen.ip().is_loopback(),
            Reflection::On => true,
            Reflection::Off => false,
        },
        deadline_max: Duration::from_millis(from.deadline_max_ms),
        in_flight_max: from.in_flight_max,
        queue_max: from.queue_max,
        connections_max: from.connections_max,
        drain: Duration::from_millis(from.drain_ms),
        ..server::Settings::new(from.listen, from.ops_listen)
    }
}

/// The service credential, if there is one.
pub(super) fn token(settings: &Settings) -> Option<&str> {
    Some(settings.events.token.as_str()).filter(|token| !token.is_empty())
}

/// The subscribers of a service's events in other processes, with their addresses.
pub(super) fn subscribers(settings: &Settings, role: Role) -> Vec<(&'static str, String)> {
    let named = match role {
        Role::Feedback => &settings.feedback.subscribers,
        Role::Loyalty => &settings.loyalty.subscribers,
        Role::Scoring | Role::Notification => return Vec::new(),
    };
    let all = [("notification", &named.notification), ("scoring", &named.scoring)];
    all.into_iter().filter(|(_, url)| !url.is_empty()).map(|(name, url)| (name, url.clone())).collect()
}

/// Telemetry as the settings describe it.
pub fn telemetry_settings(settings: &Settings, service_name: &str) -> telemetry::Settings {
    let from = &settings.telemetry;
    telemetry::Settings {
        service_name: service_name.to_owned(),
        otlp_endpoint: (!from.otlp_endpoint.is_empty()).then(|| from.otlp_endpoint.clone()),
        trace_sample_ratio: from.trace_sample_ratio,
        log_level: from.log_level.clone(),
        log_format: match from.log_format {
            LogFormat::Auto => telemetry::LogFormat::Auto,
            LogFormat::Json => telemetry::LogFormat::Json,
            LogFormat::Pretty => telemetry::LogFormat::Pretty,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflection_is_off_beyond_loopback_unless_asked_for() {
        let mut settings = Settings::default();
        assert!(server_settings(&settings, false).reflection);
        settings.server.listen = "0.0.0.0:1".parse().unwrap();
        assert!(!server_settings(&settings, false).reflection);
        settings.server.reflection = Reflection::On;
        assert!(server_settings(&settings, false).reflection);
    }
}
