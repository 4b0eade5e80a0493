//! Many commands in one transaction.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use ambient::Time;
use db::Tx;
use db::sea_orm::ConnectionTrait;

use super::batch::Batch;
use super::known::Wanted;
use super::{Answer, Catalogue, Request, Together};
use crate::domain::{Program, Wallet};
use crate::store::{Owner, wallets};

/// What a batch did, once its transaction is committed.
#[derive(Debug)]
pub struct Executed {
    /// One answer per request, in their order.
    pub answers: Vec<Answer>,
    /// The wallets that changed, as they are now.
    pub wallets: Vec<(Owner, Wallet, Arc<Program>)>,
}

/// Decides `requests` in their order and writes what they change, all if they are not sent `together`.
/// `now` is business time.
///
/// # Errors
/// That the database refused: then nothing may be committed. A refused command is an answer, not an error.
pub async fn execute(
    tx: &Tx,
    catalogue: &Catalogue,
    requests: &[Request],
    together: Option<Together>,
    now: Time,
) -> Result<Executed, db::Error> {
    let backend = tx.get_database_backend();
    let first: Vec<Request> = requests.iter().flat_map(Request::first).collect();
    let all = if first.is_empty() { requests.into() } else { Cow::Owned([&first, requests].concat()) };
    let owners: BTreeSet<Owner> = all.iter().flat_map(Request::wallets).collect();
    let owners: Vec<Owner> = owners.into_iter().collect();
    let wanted = Wanted::of(&all);
    let lookups = wanted.lookups();
    let lock = wallets::lock(tx, &owners, &lookups);
    let (locked, maybe) = db::traced(backend, "SELECT wallet FOR UPDATE", lock).await?;
    // Whatever is there is read in statements of its own: one that waited for the locks above would still see
    // other tables as they were before it waited.
    let load = async {
        let known = wanted.find(tx, maybe).await?;
        Batch::load(tx, catalogue, &all, (locked, known), now).await
    };
    let mut batch = db::traced(backend, "SELECT ledger", load).await?;
    batch.decide_all(&first, None);
    let answers = batch.decide_all(requests, together);
    let (changes, wallets) = batch.finish();
    if !changes.is_empty() {
        changes.write(tx).await?;
    }
    Ok(Executed { answers, wallets })
}
