//! The ledger: the only code that writes points.
//!
//! [`execute`] decides any number of commands inside one transaction: it locks their wallets, loads what
//! they need, decides one after the other and writes everything with one statement per table. [`Lanes`]
//! gather the commands of concurrent callers into such batches, commit each once, publish the new balances
//! and answer everyone. A request id acts once: the second time its stored reply is the answer.
//!
//! Nothing that holds a transaction submits to a lane. Locks are taken in one order: wallets, then stock.

mod announce;
mod batch;
mod catalogue;
mod execute;
mod lane;
mod lanes;
mod metrics;
mod once;

use uuid::Uuid;

use crate::domain::{Command, Program, Refusal, Reply, Wallet};
use crate::store::Owner;

pub use announce::enrolled;
pub use catalogue::Catalogue;
pub use execute::{Executed, execute};
pub use lanes::{Deps, Failure, Lanes};
pub(crate) use metrics::audited;
pub use once::{Once, once};

/// A command on its way to the ledger.
#[derive(Clone, Debug)]
pub struct Request {
    /// The wallet that the command names.
    pub owner: Owner,
    /// What to do.
    pub command: Command,
    /// The call that asked for it; none for the service's own.
    pub call: Option<Call>,
    /// The trace of the call as W3C `traceparent`; empty if it is not traced.
    pub traceparent: String,
}

/// What is remembered of a call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Unique within the wallet.
    pub request_id: Uuid,
    /// The RPC.
    pub method: &'static str,
    /// The request, encoded as it was sent.
    pub body: Vec<u8>,
    /// Who asked.
    pub subject: String,
    /// Writes the answer down.
    pub encode: fn(&Answered<'_>) -> Written,
}

/// An answer with what its response is made of.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// Done, or refused.
    pub answer: &'a Result<Reply, Refusal>,
    /// The wallet after the command.
    pub wallet: &'a Wallet,
    /// Its program.
    pub program: &'a Program,
}

/// An answer as it is stored and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The gRPC code; 0 if it was done.
    pub status: i32,
    /// The encoded response, or the encoded `google.rpc.Status`.
    pub bytes: Vec<u8>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was decided, now or (`replayed`) before.
    Written {
        /// The answer.
        written: Written,
        /// True if it is the stored one of an earlier call.
        replayed: bool,
    },
    /// There is no such wallet; not remembered.
    NoWallet,
    /// The request id was used for another request.
    Reused {
        /// The first field in which they differ.
        field: String,
    },
    /// The decision broke an invariant; nothing was done.
    Panicked,
}
