//! The breaker: a connection that callers may use, or none.

use std::sync::atomic::{AtomicU32, Ordering};

use redis::RedisError;
use tokio::sync::watch;

use super::endpoint::Connection;
use crate::metrics::Lost;

/// Closed while it holds a link. Reads and writes are counted apart, because a Redis that is full or
/// read-only answers every read and takes no write.
pub(super) struct Breaker {
    link: watch::Sender<Option<Link>>,
    reads: AtomicU32,
    writes: AtomicU32,
    failures_max: u32,
}

/// One connection, told from the next by its number: a late failure of an old one says nothing about a new
/// one.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) connection: Connection,
}

#[derive(Clone, Copy)]
pub(super) enum Side {
    Reads,
    Writes,
}

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("Redis is left alone after failures")]
    Open,
    #[error("no answer within the budget")]
    TimedOut,
    #[error("no answer while the reader could wait")]
    OutOfPatience,
    #[error(transparent)]
    Refused(RedisError),
}

impl Failure {
    pub(super) fn lost(&self) -> Lost {
        match self {
            Failure::Open => Lost::Bypassed,
            Failure::TimedOut | Failure::OutOfPatience | Failure::Refused(_) => Lost::Error,
        }
    }
}

impl Breaker {
    pub(super) fn new(failures_max: u32) -> Breaker {
        Breaker {
            link: watch::Sender::new(None),
            reads: AtomicU32::new(0),
            writes: AtomicU32::new(0),
            failures_max,
        }
    }

    /// The link to use, if the breaker is closed.
    pub(super) fn link(&self) -> Result<Link, Failure> {
        self.link.borrow().clone().ok_or(Failure::Open)
    }

    /// Closes the breaker over a link that has just proved itself.
    pub(super) fn close(&self, link: Link) {
        self.reads.store(0, Ordering::Relaxed);
        self.writes.store(0, Ordering::Relaxed);
        self.link.send_replace(Some(link));
    }

    pub(super) fn succeeded(&self, side: Side) {
        let failures = self.failures(side);
        // Almost always zero: a load leaves the cache line shared between callers.
        if failures.load(Ordering::Relaxed) != 0 {
            failures.store(0, Ordering::Relaxed);
        }
    }

    /// Counts a failure of `link`; true if it opened the breaker. A broken connection opens it at once, since
    /// nothing will ever come back on it.
    pub(super) fn failed(&self, link: &Link, side: Side, failure: &Failure) -> bool {
        let broken = match failure {
            Failure::Open | Failure::OutOfPatience => return false,
            Failure::TimedOut => false,
            Failure::Refused(error) => error.is_io_error() || error.is_unrecoverable_error(),
        };
        let failures = self.failures(side).fetch_add(1, Ordering::Relaxed).saturating_add(1);
        (broken || failures >= self.failures_max) && self.open(link.number)
    }

    /// Resolves when the breaker is closed.
    pub(super) async fn closed(&self) {
        // The sender lives in self, so waiting cannot fail.
        let _ = self.link.subscribe().wait_for(Option::is_some).await;
    }

    /// Resolves when the breaker is open.
    pub(super) async fn opened(&self) {
        let _ = self.link.subscribe().wait_for(Option::is_none).await;
    }

    fn open(&self, number: u64) -> bool {
        self.link.send_if_modified(|link| {
            let current = link.as_ref().is_some_and(|link| link.number == number);
            if current {
                *link = None;
            }
            current
        })
    }

    fn failures(&self, side: Side) -> &AtomicU32 {
        match side {
            Side::Reads => &self.reads,
            Side::Writes => &self.writes,
        }
    }
}
