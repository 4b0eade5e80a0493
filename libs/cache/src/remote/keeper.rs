//! The keeper: connects in the background, strikes out what could not be published, and closes the breaker.
//!
//! No caller ever waits for a connection or pays for an attempt.
//!
//! What is lost while older values are struck out is struck out after the breaker has closed: waiting for a
//! moment in which nothing is lost could last for ever, as everything is lost until the breaker closes.

use std::sync::Arc;
use std::time::Instant;

use redis::Cmd;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::breaker::Link;
use super::endpoint::Connection;
use crate::snapshot::Entry;

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
        let error = match shared.endpoint.connect(&shared.scripts).await {
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

/// Leaves a tombstone for every key that is remembered now; false if Redis did not take them.
async fn strike(shared: &Shared, connection: &mut Connection) -> bool {
    for keys in shared.unpublished.all().chunks(STRIKES_MAX) {
        let now = Instant::now();
        let calls: Vec<Cmd> =
            keys.iter().map(|(key, version)| shared.write(key, Entry::tombstone(*version, now))).collect();
        let work = shared.scripts.set_if_newer.run(connection, &calls);
        let Ok(Ok(answers)) = timeout(shared.settings.connect_timeout, work).await else { return false };
        if answers.iter().any(Result::is_err) {
            return false;
        }
        for (key, version) in keys {
            shared.unpublished.forget(key, *version);
        }
    }
    true
}
