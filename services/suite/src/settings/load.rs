//! Defaults, then file, then environment, then flags; and what to say if the sum of them is wrong.

use std::collections::HashMap;
use std::path::Path;

use config::{Config, ConfigError, Environment, File, FileFormat, Map, Value, ValueKind};

use super::Settings;
use super::keys::{self, KEYS};
use crate::Failure;
use crate::cli::ServerArgs;
use crate::compose::Role;
use crate::output;

/// The settings in force, by the arguments of the command and the environment of the process.
pub(crate) fn load(args: &ServerArgs) -> Result<Settings, Failure> {
    load_for(args, "loyalty.database.url")
}

/// The key that `--database-url` means for a service.
pub(crate) fn database_url(role: Role) -> &'static str {
    match role {
        Role::Feedback => "feedback.database.url",
        Role::Scoring => "scoring.database.url",
        Role::Loyalty => "loyalty.database.url",
        Role::Notification => "notification.database.url",
    }
}

/// As [`load`], for a command whose `--database-url` means this key.
pub(crate) fn load_for(args: &ServerArgs, database_url: &'static str) -> Result<Settings, Failure> {
    let flags = flags_of(args, database_url);
    for warning in exposed(&flags) {
        output::note(&warning);
    }
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    merge(args.store.config.as_deref(), environment.collect(), &flags)
}

type Flags = Vec<(&'static str, String)>;

fn flags_of(args: &ServerArgs, database_url: &'static str) -> Flags {
    let data_dir = args.store.data_dir.as_ref().map(|dir| dir.to_string_lossy().into_owned());
    let given = [
        ("data_dir", data_dir),
        ("server.listen", args.listen.clone()),
        ("server.ops_listen", args.ops_listen.clone()),
        ("server.insecure", args.insecure.then(|| "true".to_owned())),
        ("telemetry.otlp_endpoint", args.otlp_endpoint.clone()),
        ("events.listen", args.events_listen.clone()),
        (database_url, args.store.database_url.clone()),
        ("loyalty.redis.url", args.redis_url.clone()),
    ];
    given.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// Warnings about passwords that every user of the machine can read in the list of processes.
fn exposed(flags: &Flags) -> Vec<String> {
    let has_password = |value: &str| url::Url::parse(value).is_ok_and(|url| url.password().is_some());
    let secret = flags.iter().filter(|(key, value)| {
        keys::find(key).is_some_and(|key| key.secret) && value.split(',').any(has_password)
    });
    secret
        .map(|(key, _)| {
            format!(
                "warning: a password on the command line can be read by every user of this machine; \
                 put the URL into the environment variable {}",
                variable_of(key)
            )
        })
        .collect()
}

pub(crate) fn variable_of(key: &str) -> String {
    format!("RAPPORT__{}", key.to_uppercase().replace('.', "__"))
}

fn merge(file: Option<&Path>, environment: Map<String, String>, flags: &Flags) -> Result<Settings, Failure> {
    let environment: Map<_, _> = environment
        .into_iter()
        .filter(|(name, _)| name.to_ascii_uppercase().starts_with("RAPPORT__"))
        .collect();
    let variables =
        Environment::with_prefix("RAPPORT").prefix_separator("__").separator("__").source(Some(environment));
    let mut builder = Config::builder();
    if let Some(file) = file {
        let text = std::fs::read_to_string(file).map_err(|error| {
            Failure::usage(format!("settings file {} cannot be read: {error}", file.display()))
        })?;
        builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
    }
    builder = builder.add_source(variables);
    for (key, value) in flags {
        builder = builder.set_override(*key, value.as_str()).map_err(|error| unexpected(&error))?;
    }
    let merged = builder.build().map_err(|error| match (&error, file) {
        (ConfigError::FileParse { cause, .. }, Some(file)) => {
            let cause = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            Failure::usage(format!("settings file {} is not TOML: {cause}", file.display()))
        }
        _ => unexpected(&error),
    })?;
    let leaves = leaves_of(&merged);
    check_names(&leaves)?;
    let settings: Settings = merged.try_deserialize().map_err(|error| match key_of(&error) {
        Some(key) => wrong(&key, leaves.get(&key)),
        None => unexpected(&error),
    })?;
    match KEYS.iter().find(|key| !(key.fits)(&settings)) {
        Some(key) => Err(wrong(key.name, leaves.get(key.name))),
        None => Ok(settings),
    }
}

fn unexpected(error: &ConfigError) -> Failure {
    Failure::usage(format!("the settings cannot be read: {error}").replace('\n', " "))
}

/// The path of the value that could not be read.
fn key_of(error: &ConfigError) -> Option<String> {
    match error {
        ConfigError::Type { key: Some(key), .. } | ConfigError::At { key: Some(key), .. } => {
            Some(key.clone())
        }
        _ => None,
    }
}

type Leaves = HashMap<String, String>;

/// Every value by its full path, as text.
fn leaves_of(merged: &Config) -> Leaves {
    fn walk(path: &str, value: &Value, leaves: &mut Leaves) {
        match &value.kind {
            ValueKind::Table(table) => {
                for (name, value) in table {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(&path, value, leaves);
                }
            }
            _ => {
                leaves.insert(path.to_owned(), value.to_string());
            }
        }
    }
    let mut leaves = Leaves::new();
    walk("", &merged.cache, &mut leaves);
    leaves
}

fn check_names(leaves: &Leaves) -> Result<(), Failure> {
    let mut unknown: Vec<&str> =
        leaves.keys().map(String::as_str).filter(|name| keys::find(name).is_none()).collect();
    unknown.sort_unstable();
    let Some(name) = unknown.first() else { return Ok(()) };
    let siblings = siblings_of(name);
    Err(Failure::usage(format!(
        "setting `{name}` (environment {}) is not known; expected one of {}",
        variable_of(name),
        siblings.join(", ")
    )))
}

/// The keys that `name` may have been meant to be: those below the longest part of it that exists.
fn siblings_of(name: &str) -> Vec<&'static str> {
    let mut prefix = name;
    while let Some((parent, _)) = prefix.rsplit_once('.') {
        let below = KEYS
            .iter()
            .map(|key| key.name)
            .filter(|key| key.strip_prefix(parent).is_some_and(|rest| rest.starts_with('.')));
        let below: Vec<_> = below.collect();
        if !below.is_empty() {
            return below;
        }
        prefix = parent;
    }
    KEYS.iter().map(|key| key.name).collect()
}

fn wrong(name: &str, value: Option<&String>) -> Failure {
    let key = keys::find(name);
    let allowed = key.map_or("another kind of value", |key| key.allowed);
    let value = match value {
        _ if key.is_some_and(|key| key.secret) => "a value that cannot be used".to_owned(),
        Some(value) => format!("the value `{value}`"),
        None => "a value that cannot be used".to_owned(),
    };
    Failure::usage(format!("setting `{name}` has {value}; expected {allowed}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn told(environment: &[(&str, &str)], flags: &Flags) -> Result<Settings, String> {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        merge(None, environment, flags).map_err(|failure| failure.to_string())
    }

    #[test]
    fn flags_beat_environment_beats_file_beats_defaults() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "[server]\nlisten = \"127.0.0.1:1\"\nops_listen = \"127.0.0.1:1\"\nqueue_max = 7")
            .unwrap();
        let environment = [
            ("RAPPORT__SERVER__LISTEN".to_owned(), "127.0.0.1:2".to_owned()),
            ("RAPPORT__SERVER__OPS_LISTEN".to_owned(), "127.0.0.1:2".to_owned()),
            ("RAPPORT__LOYALTY__DATABASE__URL".to_owned(), "postgres://u:p@h/db".to_owned()),
            ("RAPPORT__LOYALTY__LANES".to_owned(), "3".to_owned()),
            ("RAPPORT_DATA".to_owned(), "not ours".to_owned()),
        ];
        let flags = vec![("server.listen", "127.0.0.1:3".to_owned())];
        let settings = merge(Some(file.path()), environment.into_iter().collect(), &flags).unwrap();
        assert_eq!(settings.server.listen.port(), 3);
        assert_eq!(settings.server.ops_listen.port(), 2);
        assert_eq!(settings.server.queue_max, 7);
        assert_eq!(settings.server.in_flight_max, 512);
        assert_eq!(settings.loyalty.database.url, "postgres://u:p@h/db");
        assert_eq!(settings.loyalty.lanes, 3);
    }

    #[test]
    fn a_wrong_value_is_one_line_with_key_value_and_what_is_allowed() {
        let cases = [
            (
                "RAPPORT__SERVER__LISTEN",
                "localhost",
                "`server.listen` has the value `localhost`; expected an IP",
            ),
            (
                "RAPPORT__SERVER__INSECURE",
                "perhaps",
                "`server.insecure` has the value `perhaps`; expected true or",
            ),
            (
                "RAPPORT__LOYALTY__LANES",
                "many",
                "`loyalty.lanes` has the value `many`; expected a whole number",
            ),
            (
                "RAPPORT__LOYALTY__LANES",
                "0",
                "`loyalty.lanes` has the value `0`; expected a whole number from 1",
            ),
            ("RAPPORT__LOYALTY__LANES", "-1", "`loyalty.lanes` has the value `-1`; expected a whole number"),
            (
                "RAPPORT__LOYALTY__DATABASE__SYNCHRONOUS",
                "off",
                "has the value `off`; expected full or normal",
            ),
            (
                "RAPPORT__TELEMETRY__TRACE_SAMPLE_RATIO",
                "NaN",
                "has the value `NaN`; expected a number from 0 to 1",
            ),
            (
                "RAPPORT__SERVER__DRAIN_MS",
                "1.5",
                "`server.drain_ms` has the value `1.5`; expected milliseconds",
            ),
            ("RAPPORT__TELEMETRY__LOG_FORMAT", "xml", "has the value `xml`; expected auto, json or pretty"),
            ("RAPPORT__SERVER", "x", "`server`"),
        ];
        for (name, value, expected) in cases {
            let line = told(&[(name, value)], &Flags::new()).unwrap_err();
            assert!(line.contains(expected), "{name}={value}: {line}");
            assert!(!line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_neighbours() {
        let line = told(&[("RAPPORT__LOYALTY__DATABASE__ULR", "x")], &Flags::new()).unwrap_err();
        assert_eq!(
            line,
            "setting `loyalty.database.ulr` (environment RAPPORT__LOYALTY__DATABASE__ULR) is not known; \
             expected one of loyalty.database.url, loyalty.database.connections_max, \
             loyalty.database.synchronous"
        );
    }

    #[test]
    fn a_wrong_secret_is_not_repeated() {
        for url in ["postgres//u:hunter2@h/db", "mysql://u:hunter2@h/db", "postgres://u:hunter2@h", "hunter2"]
        {
            let line = told(&[("RAPPORT__LOYALTY__DATABASE__URL", url)], &Flags::new()).unwrap_err();
            assert!(!line.contains("hunter2"), "{line}");
            assert!(
                line.contains("`loyalty.database.url` has a value that cannot be used; expected postgres://")
            );
        }
    }

    #[test]
    fn a_password_among_the_arguments_is_warned_of() {
        let flags = vec![
            ("loyalty.database.url", "postgres://u:hunter2@h/db".to_owned()),
            ("loyalty.redis.url", "redis://h".to_owned()),
        ];
        let warnings = exposed(&flags);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("RAPPORT__LOYALTY__DATABASE__URL"), "{warnings:?}");
        assert!(!warnings[0].contains("hunter2"), "{warnings:?}");
    }

    #[test]
    fn a_file_that_is_not_toml_or_not_there_is_one_line() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "[server\nlisten").unwrap();
        let line = merge(Some(file.path()), Map::new(), &Flags::new()).unwrap_err().to_string();
        assert!(line.contains("is not TOML") && !line.contains('\n'), "{line}");
        let missing = merge(Some(Path::new("no-such.toml")), Map::new(), &Flags::new()).unwrap_err();
        assert!(missing.to_string().starts_with("settings file no-such.toml cannot be read"), "{missing}");
    }
}
