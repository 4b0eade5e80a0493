//! Several batches under way at once, and yet the purchases of a member in order: a member belongs to one stream, and
//! a stream has one batch under way.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::purchase::Purchase;
use super::send::Sender;
use super::summary::Tally;
use crate::Failure;

/// Purchases in one call.
const BATCH: usize = 500;
/// Batches that wait for their stream; with the one under way and the one that fills up, all there are.
const WAITING: usize = 1;

/// Takes purchases and deals them out; blocks while their stream is busy.
pub(crate) struct Feeder {
    streams: Vec<Stream>,
}

struct Stream {
    batches: mpsc::Sender<Vec<Purchase>>,
    filling: Vec<Purchase>,
}

/// A worker has given up; what it says is more important.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// The tasks that send.
pub(crate) struct Workers(JoinSet<Result<Tally, Failure>>);

/// Starts as many streams. Everything fed is sent once the feeder is flushed and the workers are finished.
pub(crate) fn start(sender: &Sender, streams: usize) -> (Feeder, Workers) {
    let mut workers = JoinSet::new();
    let streams = (0..streams.max(1)).map(|_| {
        let (batches, waiting) = mpsc::channel(WAITING);
        workers.spawn(work(sender.clone(), waiting));
        Stream { batches, filling: Vec::with_capacity(BATCH) }
    });
    let feeder = Feeder { streams: streams.collect() };
    (feeder, Workers(workers))
}

impl Feeder {
    /// Adds a purchase behind those of the same member. Not for async code: it may block.
    pub(crate) fn push(&mut self, purchase: Purchase) -> Result<(), Gone> {
        let stream = stream_of(&purchase.member, self.streams.len());
        let Some(stream) = self.streams.get_mut(stream) else { return Err(Gone) };
        stream.filling.push(purchase);
        if stream.filling.len() < BATCH {
            return Ok(());
        }
        let batch = std::mem::replace(&mut stream.filling, Vec::with_capacity(BATCH));
        stream.batches.blocking_send(batch).map_err(|_| Gone)
    }

    /// Sends what is left. Not for async code: it may block.
    pub(crate) fn flush(self) -> Result<(), Gone> {
        for Stream { batches, filling } in self.streams {
            if !filling.is_empty() {
                batches.blocking_send(filling).map_err(|_| Gone)?;
            }
        }
        Ok(())
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
    while let Some(batch) = waiting.recv().await {
        tally = tally.plus(&sender.send(batch).await?);
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
