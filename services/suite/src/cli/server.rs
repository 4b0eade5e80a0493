//! Arguments of the commands that run a service or touch its database.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::OutputArgs;
use crate::compose::Role;

/// Where the data is.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct StoreArgs {
    /// A settings file; `rapport config --default` prints one
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Directory of the embedded databases [default: ./rapport-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// PostgreSQL, as postgres://USER@HOST[:PORT]/DATABASE
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
}

/// Arguments of `migrate`.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// Whose database; every service's unless given
    #[arg(value_enum, value_name = "SERVICE")]
    pub(crate) service: Option<ServiceName>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// Arguments of `rebuild`.
#[derive(Debug, Args)]
pub(crate) struct RebuildArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// A service with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServiceName {
    /// Submissions and cases
    Feedback,
    /// Observations, scores and profiles
    Scoring,
    /// The ledger
    Loyalty,
    /// Messages
    Notification,
}

impl From<ServiceName> for Role {
    fn from(name: ServiceName) -> Role {
        match name {
            ServiceName::Feedback => Role::Feedback,
            ServiceName::Scoring => Role::Scoring,
            ServiceName::Loyalty => Role::Loyalty,
            ServiceName::Notification => Role::Notification,
        }
    }
}

/// Everything a server can be told on the command line.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ServerArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Where calls are answered; port 0 takes a free one [default: 127.0.0.1:7400]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Where health and metrics are answered [default: 127.0.0.1:7401]
    #[arg(long, value_name = "ADDR")]
    pub(crate) ops_listen: Option<String>,
    /// Where a service that takes events listens for them [default: 127.0.0.1:7402]
    #[arg(long, value_name = "ADDR")]
    pub(crate) events_listen: Option<String>,
    /// Redis, as redis://HOST[:PORT][/DATABASE]
    #[arg(long, value_name = "URL")]
    pub(crate) redis_url: Option<String>,
    /// Collector that takes the traces, as http://HOST:4317
    #[arg(long, value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,
    /// Listen beyond this machine although nobody is authenticated
    #[arg(long)]
    pub(crate) insecure: bool,
}

/// Arguments of `config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Print the commented default file
    #[arg(long)]
    pub(crate) default: bool,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}
