//! Several batches under way at once, and yet the purchases of a member in order: a member belongs to one
//! stream, and a stream has one batch under way.
//!
//! A stream collects a few batches and sorts them by member before it sends: what a ledger writes for one
//! member lies side by side, so a transaction over few members with many purchases each writes far fewer
//! pages than one over many.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::purchase::Purchase;
use super::send::Sender;
use super::summary::Tally;
use crate::Failure;

/// Purchases in one call.
pub(crate) const BATCH: usize = 500;
/// Windows that wait for their stream; with the one being sent and the one that fills up, all there are.
const WAITING: usize = 1;

/// Takes purchases and deals them out; blocks while their stream is busy.
pub(crate) struct Feeder {
    streams: Vec<Stream>,
    window: usize,
}

struct Stream {
    windows: mpsc::Sender<Vec<Purchase>>,
    filling: Vec<Purchase>,
}

/// A worker has given up; what it says is more important.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// The tasks that send.
pub(crate) struct Workers(JoinSet<Result<Tally, Failure>>);

/// Starts as many streams, each of which collects `window` purchases before it sends them, [`BATCH`] at a
/// time. Everything fed is sent once the feeder is flushed and the workers are finished.
pub(crate) fn start(sender: &Sender, streams: usize, window: usize) -> (Feeder, Workers) {
    let mut workers = JoinSet::new();
    let streams = (0..streams.max(1)).map(|_| {
        let (windows, waiting) = mpsc::channel(WAITING);
        workers.spawn(work(sender.clone(), waiting));
        Stream { windows, filling: Vec::new() }
    });
    let feeder = Feeder { streams: streams.collect(), window: window.max(1) };
    (feeder, Workers(workers))
}

impl Feeder {
    /// Adds a purchase behind those of the same member. Not for async code: it may block.
    pub(crate) fn push(&mut self, purchase: Purchase) -> Result<(), Gone> {
        let stream = stream_of(&purchase.member, self.streams.len());
        let Some(stream) = self.streams.get_mut(stream) else { return Err(Gone) };
        stream.filling.push(purchase);
        if stream.filling.len() < self.window { Ok(()) } else { stream.send() }
    }

    /// Sends what is left. Not for async code: it may block.
    pub(crate) fn flush(mut self) -> Result<(), Gone> {
        self.streams.iter_mut().try_for_each(Stream::send)
    }
}

impl Stream {
    fn send(&mut self) -> Result<(), Gone> {
        let mut filled = std::mem::take(&mut self.filling);
        // Stable: the purchases of one member keep their order.
        filled.sort_by(|a, b| a.member.cmp(&b.member));
        if filled.is_empty() { Ok(()) } else { self.windows.blocking_send(filled).map_err(|_| Gone) }
    }
}

impl Workers {
    /// Waits until everything that was fed is answered. The first failure ends the others.
    pub(crate) async fn finish(mut self) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        while let Some(ended) = self.0.join_next().await {
            let sent = ended.map_err(|_| Failure::failed("a worker of the import came to a sudden end"))?;
            tally = tally.plus(&sent?);
        }
        Ok(tally)
    }
}

async fn work(sender: Sender, mut waiting: mpsc::Receiver<Vec<Purchase>>) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    while let Some(window) = waiting.recv().await {
        for batch in window.chunks(BATCH) {
            tally = tally.plus(&sender.send(batch).await?);
        }
    }
    Ok(tally)
}

fn stream_of(member: &str, streams: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    member.hash(&mut hasher);
    usize::try_from(hasher.finish() % streams.max(1) as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_stays_in_one_stream_and_members_spread() {
        let mut members = [0_usize; 4];
        for member in 0..1_000 {
            let stream = stream_of(&member.to_string(), 4);
            assert_eq!(stream, stream_of(&member.to_string(), 4));
            members[stream] += 1;
        }
        assert!(members.iter().all(|count| *count > 150), "{members:?}");
    }
}
