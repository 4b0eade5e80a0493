//! Lanes: commands of concurrent callers, committed together.

use std::sync::Arc;

use ambient::{Clock, Time};
use bytes::Bytes;
use cache::{Cache, Key, Snapshot};
use db::Db;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::lane::{Job, Lane};
use super::route::{Ways, ways};
use super::{Answer, Catalogue, Request, Together};
use crate::domain::{Program, Wallet};
use crate::store::Owner;

/// Commands waiting for one lane at most; further callers wait to get in.
const WAITING_MAX: usize = 4_096;

/// What lanes work with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// The ledger's database.
    pub db: Db,
    /// Where new balances are published.
    pub cache: Cache,
    /// Business time.
    pub clock: Clock,
    /// Rung when a commit left events.
    pub bell: events::Bell,
    /// Programs and rewards.
    pub catalogue: Catalogue,
    /// Encodes the balance that is published, as it is at a moment.
    pub snapshot: fn(&Wallet, &Program, Time) -> Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The deadline passed before the command was begun: it never will be.
    DeadlineExceeded,
    /// The database or the process is not able to: the command may or may not have been done; the same
    /// request id will tell.
    Unavailable,
    /// The database refused this command's rows; logged.
    Internal,
}

/// True if it is no use to try again at once: the decision, or its rows, break something.
pub fn is_broken(answer: &Result<Answer, Failure>) -> bool {
    matches!(answer, Ok(Answer::Panicked) | Err(Failure::Internal))
}

/// The lanes of one process.
#[derive(Debug)]
pub struct Lanes {
    senders: Vec<mpsc::Sender<Job>>,
    ways: Ways,
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl Lanes {
    /// Starts `count` lanes: one on SQLite, two on PostgreSQL fill two cores.
    pub fn start(count: usize, deps: Deps) -> Lanes {
        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (deps, ways) = (Arc::new(deps), ways());
        let lane = |_| {
            let (sender, receiver) = mpsc::channel(WAITING_MAX);
            let lane = Lane { deps: deps.clone(), ways: ways.clone(), tasks: tasks.clone() };
            tasks.spawn(lane.run(receiver, closing.clone()));
            sender
        };
        let senders = (0..count.max(1)).map(lane).collect();
        Lanes { senders, ways, closing, tasks }
    }

    /// Has a command decided; commands of one wallet in the order in which they were submitted. Those that
    /// move or erase a member may wait for others which were on their way at the same time.
    ///
    /// # Errors
    /// As [`Failure`] says.
    pub async fn submit(&self, request: Request, deadline: Instant) -> Result<Answer, Failure> {
        let waiting = self.enqueue(vec![request], None, deadline).await?;
        only(waiting.await.unwrap_or(Err(Failure::Unavailable)))
    }

    /// Has commands decided together, in their order and in one transaction; one answer each.
    ///
    /// # Errors
    /// As [`Failure`] says: then none of them was done, or the same request ids will tell.
    pub async fn submit_together(
        &self,
        requests: Vec<Request>,
        together: Together,
        deadline: Instant,
    ) -> Result<Vec<Answer>, Failure> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let waiting = self.enqueue(requests, Some(together), deadline).await?;
        waiting.await.unwrap_or(Err(Failure::Unavailable))
    }

    /// Submits many commands at once and waits for all their answers, in the order of the commands.
    pub async fn submit_all(
        &self,
        requests: Vec<Request>,
        deadline: Instant,
    ) -> Vec<Result<Answer, Failure>> {
        let mut waiting = Vec::with_capacity(requests.len());
        for request in requests {
            waiting.push(self.enqueue(vec![request], None, deadline).await);
        }
        let mut answers = Vec::with_capacity(waiting.len());
        for answer in waiting {
            let answered = match answer {
                Ok(receiver) => receiver.await.unwrap_or(Err(Failure::Unavailable)),
                Err(failure) => Err(failure),
            };
            answers.push(only(answered));
        }
        answers
    }

    async fn enqueue(
        &self,
        mut requests: Vec<Request>,
        together: Option<Together>,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Result<Vec<Answer>, Failure>>, Failure> {
        for request in &mut requests {
            request.route = request.likely_route(&self.ways);
        }
        let bucket = requests.first().map_or(0, |request| request.acts_on().bucket());
        let lane = usize::try_from(bucket).unwrap_or(0) % self.senders.len();
        let (answer, receiver) = oneshot::channel();
        let job =
            Job { requests, together, deadline, context: telemetry::Context::current(), answer, sent_on: 0 };
        match tokio::time::timeout_at(deadline, self.senders[lane].send(job)).await {
            Ok(Ok(())) => Ok(receiver),
            Ok(Err(_)) => Err(Failure::Unavailable),
            Err(_) => Err(Failure::DeadlineExceeded),
        }
    }

    /// Answers what is waiting, takes nothing further, and ends.
    pub async fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// The answer of a job of one request.
fn only(answered: Result<Vec<Answer>, Failure>) -> Result<Answer, Failure> {
    answered?.into_iter().next().ok_or(Failure::Unavailable)
}

impl Deps {
    /// Publishes the balances that a committed batch left. `as_of` is from before its commit.
    pub(super) async fn publish(&self, wallets: &[(Owner, Wallet, Arc<Program>)], as_of: std::time::Instant) {
        let entries: Vec<(Key, Snapshot)> = wallets
            .iter()
            .map(|(owner, wallet, program)| {
                let key = Key::new(owner.tenant().id(), owner.id(), "balance");
                let bytes = Bytes::from((self.snapshot)(wallet, program, wallet.now));
                let valid_until = program.balance_valid_until(wallet, wallet.now);
                (key, Snapshot { version: wallet.version, valid_until, bytes })
            })
            .collect();
        if !entries.is_empty() {
            self.cache.put_many(&entries, as_of).await;
        }
    }
}
