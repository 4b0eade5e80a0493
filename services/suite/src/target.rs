//! Clients of a running suite.

use std::time::Duration;

use rpc::client::{Client, Settings};

use crate::Failure;

/// Where a suite answers unless told otherwise.
pub(crate) const DEFAULT: &str = "http://127.0.0.1:7400";

/// The most a server gives one call.
const DEADLINE: Duration = Duration::from_secs(30);

/// A client that has reached the suite at `target` (`http://host:port`) once.
pub(crate) async fn connect(target: &str) -> Result<Client, Failure> {
    Ok(Client::connect(target, settings()).await?)
}

/// The same for long work, which waits behind the calls of people.
pub(crate) async fn connect_batch(target: &str) -> Result<Client, Failure> {
    Ok(Client::connect(target, Settings { batch: true, ..settings() }).await?)
}

fn settings() -> Settings {
    Settings { deadline: DEADLINE, ..Settings::new(&[proto::FILE_DESCRIPTOR_SET]) }
}
