//! The keeper: connects in the background, strikes out what could not be published, and closes the breaker.
//!
//! No caller ever waits for a connection or pays for an attempt.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::{sleep, timeout};

use super::Shared;
use super::breaker::Link;
use super::endpoint::Connection;
use crate::snapshot::Entry;
use crate::{Key, wire};

/// Tombstones per round trip.
const STRIKES_MAX: usize = 512;

/// Runs until it is aborted.
pub(super) async fn keep(shared: Arc<Shared>) {
    for number in 0_u64.. {
        let connection = connect(&shared).await;
        let since = Instant::now();
        shared.metrics.breaker(false);
        shared.breaker.close(Link { number, connection: connection.clone() });
        watch(&shared, connection).await;
        // A link that lived shorter than the interval is not replaced at once: a Redis that answers the first
        // command and hangs on the next ones would be tried without end.
        sleep(shared.settings.half_open_after.saturating_sub(since.elapsed())).await;
    }
}

/// Tries until a connection works and every remembered key is struck out. The first failure of a row is
/// logged.
async fn connect(shared: &Shared) -> Connection {
    let mut silent = false;
    loop {
        let error = match shared.endpoint.connect(&shared.script).await {
            Ok(mut connection) => {
                if strike(shared, &mut connection).await {
                    tracing::info!("the cache is in use");
                    return connection;
                }
                "older values could not be struck out".to_owned()
            }
            Err(error) => error.to_string(),
        };
        if !silent {
            tracing::warn!(error, "the cache is not in use");
            silent = true;
        }
        shared.metrics.breaker(true);
        sleep(shared.settings.half_open_after).await;
    }
}

/// Strikes out what single failed calls leave behind, until the breaker opens.
async fn watch(shared: &Shared, mut connection: Connection) {
    let strikes = async {
        loop {
            shared.unpublished.added().await;
            while !strike(shared, &mut connection).await {
                sleep(shared.settings.half_open_after).await;
            }
        }
    };
    tokio::select! {
        () = shared.breaker.opened() => {}
        () = strikes => {}
    }
}

/// Leaves a tombstone for every remembered key; false if Redis did not take them.
async fn strike(shared: &Shared, connection: &mut Connection) -> bool {
    loop {
        let keys = shared.unpublished.some(STRIKES_MAX);
        if keys.is_empty() {
            return true;
        }
        let as_of = Instant::now();
        let entries: Vec<(&Key, Entry)> =
            keys.iter().map(|(key, version)| (key, Entry::tombstone(*version, as_of))).collect();
        let now = wire::machine_now();
        let work = shared.script.set_if_newer(connection, &entries, now, || shared.settings.ttl_drawn());
        let Ok(Ok(answers)) = timeout(shared.settings.connect_timeout, work).await else { return false };
        if answers.iter().any(Result::is_err) {
            return false;
        }
        for (key, version) in &keys {
            shared.unpublished.forget(key, *version);
        }
    }
}
