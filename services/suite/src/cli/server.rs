//! Arguments of the commands that run a service or touch its database.

use std::path::PathBuf;

use clap::Args;

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
