//! The ledger: the only code that writes points.
//!
//! [`execute`] decides any number of commands inside one transaction: it locks their wallets, loads what
//! they need, decides one after the other and writes everything with one statement per table. [`Lanes`]
//! gather the commands of concurrent callers into such batches, commit each once, publish the new balances
//! and answer everyone. A request id acts once: the second time its stored reply is the answer.
//!
//! Nothing that holds a transaction submits to a lane. Locks are taken in one order: wallets, then
//! counters of programs, then stock.

mod announce;
mod batch;
mod catalogue;
mod execute;
mod known;
mod lane;
mod lanes;
mod load;
mod message;
mod metrics;
mod origins;
mod redeemers;
mod route;
mod state;

use requests::Written;
use uuid::Uuid;

use crate::domain::{Command, Program, Refusal, Reply, Wallet};
use crate::store::Owner;

pub use announce::enrolled;
pub use catalogue::Catalogue;
pub use execute::{Executed, execute};
pub use lanes::{Deps, Failure, Lanes, is_broken};
pub(crate) use metrics::audited;
pub use route::Route;
pub use state::told as state;

/// A command on its way to the ledger.
#[derive(Clone, Debug)]
pub struct Request {
    /// The wallet that the command names; unique request ids are those of this one.
    pub owner: Owner,
    /// What to do.
    pub command: Command,
    /// The call that asked for it; none for the service's own.
    pub call: Option<Asked>,
    /// The trace of the call as W3C `traceparent`; empty if it is not traced.
    pub traceparent: String,
    /// The review that it decides, if it does.
    pub decides: Option<Decides>,
    /// Where the points of those whom the command names are taken to be.
    pub route: Route,
}

/// A decision about a command that waits: that it is done now, or never.
#[derive(Clone, Debug)]
pub struct Decides {
    /// The review, under the id of the request that waits.
    pub review_id: Uuid,
    /// Who decides.
    pub by: String,
    /// Why.
    pub note: String,
}

impl Answer {
    /// It was not done.
    fn is_refusal(&self) -> bool {
        match self {
            Answer::Given(requests::Answer::Written { written, .. }) => written.status != 0,
            Answer::Given(requests::Answer::Reused { .. }) => true,
            Answer::NoWallet | Answer::Panicked | Answer::NotDone(_) => true,
            Answer::Again(_) => false,
        }
    }
}

impl Request {
    /// A command of the service itself.
    pub fn of_service(owner: Owner, command: Command) -> Request {
        Request {
            owner,
            command,
            call: None,
            traceparent: String::new(),
            decides: None,
            route: Route::default(),
        }
    }
}

/// How far commands that are sent together depend on each other. They are done in their order, in one
/// transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// None after the first that is refused is done.
    Stop,
    /// If one is refused, none is done, and nothing is remembered of any.
    AllOrNothing,
}

/// A call, and how its answer is written down.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The call; its request id is unique within the wallet.
    pub call: requests::Call,
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
    /// What was asked for.
    pub command: &'a Command,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was decided, now or before, or its id was used for another one.
    Given(requests::Answer),
    /// There is no such wallet; not remembered.
    NoWallet,
    /// The decision broke an invariant; nothing was done.
    Panicked,
    /// One of those that it was sent together with was refused: that of this number, from 0. It was not done,
    /// and nothing of it is remembered.
    NotDone(usize),
    /// It must be decided in another batch, on the wallets that this route leads to. Lanes see to that.
    Again(Route),
}
