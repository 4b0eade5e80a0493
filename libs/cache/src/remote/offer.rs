//! Offers to Redis: what a commit wrote, and what a reader brought from the database.

use std::time::{Duration, Instant};

use bytes::Bytes;
use redis::{Cmd, Value};

use super::Shared;
use super::breaker::Failure;
use super::unpublished::Unpublished;
use crate::metrics::Lost;
use crate::snapshot::Entry;
use crate::{Key, trace, wire};

/// Remembers, when dropped, what has not arrived by then: a caller may go away while it waits.
struct Missing<'a> {
    unpublished: &'a Unpublished,
    entries: &'a [(&'a Key, Entry)],
    arrived: Vec<bool>,
}

impl Drop for Missing<'_> {
    fn drop(&mut self) {
        let arrived = self.arrived.iter().copied().chain(std::iter::repeat(false));
        for ((key, entry), arrived) in self.entries.iter().zip(arrived) {
            if !arrived {
                self.unpublished.remember(key, entry.version, Instant::now());
            }
        }
    }
}

impl Shared {
    /// Writes what was committed, in one round trip. What does not arrive is remembered, and older values of
    /// it are struck out before the breaker closes again.
    pub(super) async fn publish(&self, entries: &[(&Key, Entry)]) {
        let Some((first, _)) = entries.first() else { return };
        let mut missing = Missing { unpublished: &self.unpublished, entries, arrived: Vec::new() };
        let calls = || entries.iter().map(|(key, entry)| self.write(key, entry.clone())).collect();
        let answers = self.run(&self.scripts.set_if_newer, self.settings.response_timeout, calls);
        let (answers, lost) = match trace::client("EVALSHA", first.kind(), answers).await {
            Ok(answers) => (answers.into_iter().map(Result::ok).collect(), Lost::Error),
            Err(failure) => (vec![None; entries.len()], failure.lost()),
        };
        for ((key, _), answer) in entries.iter().zip(&answers) {
            match answer {
                Some(answer) => self.metrics.written(key, *answer == Value::Int(1)),
                None => self.metrics.write_lost(key, lost),
            }
        }
        missing.arrived = answers.iter().map(Option::is_some).collect();
    }

    /// The call that writes an entry: 1 if it is taken, 0 if Redis has it or something newer.
    pub(super) fn write(&self, key: &Key, entry: Entry) -> Cmd {
        let (value, life_ms) = self.value(key, entry);
        self.scripts.set_if_newer.call(key, &[&value, life_ms.as_bytes()])
    }

    /// Puts what was read in the place of the lease under which it was; false if that is not there any more,
    /// `None` if no answer came.
    pub(super) async fn fill(&self, key: &Key, entry: Entry, lease: &[u8]) -> Option<bool> {
        let (value, life_ms) = self.value(key, entry);
        let swapped =
            self.swap(key, [lease, &value, life_ms.as_bytes()], self.settings.response_timeout).await;
        match &swapped {
            Ok(swapped) => self.metrics.written(key, swapped.is_ok()),
            Err(failure) => self.metrics.write_lost(key, failure.lost()),
        }
        swapped.ok().map(|swapped| swapped.is_ok())
    }

    /// Puts one value in the place of another; the inner error is what stands there instead.
    pub(super) async fn swap(
        &self,
        key: &Key,
        arguments: [&[u8]; 3],
        budget: Duration,
    ) -> Result<Result<(), Bytes>, Failure> {
        let calls = || vec![self.scripts.swap.call(key, &arguments)];
        let answers = self.run(&self.scripts.swap, budget, calls);
        let mut answers = trace::client("EVALSHA", key.kind(), answers).await?;
        match answers.pop().unwrap_or(Ok(Value::Nil)).map_err(Failure::Refused)? {
            // The answer to a first attempt was lost on the way if it already is what it shall be.
            Value::BulkString(found) if found != arguments[1] => Ok(Err(found.into())),
            _ => Ok(Ok(())),
        }
    }

    /// An entry as it is sent, with its life in Redis.
    fn value(&self, key: &Key, entry: Entry) -> (Bytes, String) {
        let ttl = self.settings.ttl_drawn();
        let entry = entry.or_tombstone(ttl);
        // Both bounds count from the moment the state was known, not from now.
        let ttl = ttl.saturating_sub(entry.as_of.elapsed()).max(Duration::from_millis(1));
        let value = wire::encode(key, &entry, wire::machine_now().saturating_add(entry.life()));
        (value, ttl.as_millis().to_string())
    }
}
