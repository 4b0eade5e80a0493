//! What the exports of a program go by: what its wallets own, part after part in the order of their keys, and
//! cursors behind which another call goes on.
//!
//! Nothing is held between two parts but a place and the wallets just ahead of it: no transaction, no rows.
//! A part is read when the one before it has been taken.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use ambient::Time;
use prost::Message;
use proto::Violations;
use requests::Caller;
use rpc::Problem;
use tonic::Status;
use uuid::Uuid;

use super::Api;
use super::call::told;
use super::refusal::{cursor_invalid, member_not_found, program_not_found};
use super::wire::uuid;
use crate::domain::{Program, Wallet};
use crate::store::spans::Span;
use crate::store::unread::{Unread, Which};
use crate::store::wallets::{self, Versioned};
use crate::store::{Owner, Tenant, members, postings};

/// Rows of a chunk at most.
const ROWS: u32 = 500;
/// Wallets that are read ahead.
const WALLETS: u64 = 500;

/// How many rows a chunk has, as its request was checked.
pub(super) fn chunk_size(given: i32) -> u32 {
    match u32::try_from(given) {
        Ok(0) | Err(_) => ROWS,
        Ok(given) => given.min(ROWS),
    }
}

/// A member who is asked for, if any.
pub(super) fn member_id(given: &str, found: &mut Violations) -> Option<Uuid> {
    (!given.is_empty()).then(|| uuid(given, &proto::Path::ROOT, "member_id", found))
}

/// The cursors of one export: worthless for any other one, and for any other tenant.
#[derive(Clone, Debug)]
pub(super) struct Cursors {
    tokens: rpc::PageTokens,
    tenant: Tenant,
    method: &'static str,
    asked: String,
}

impl Cursors {
    /// Those of a method; `asked` is the request without its cursor and the size of its chunks.
    pub(super) fn of(api: &Api, caller: &Caller, method: &'static str, asked: &impl Message) -> Cursors {
        let asked = format!("{:?}", asked.encode_to_vec());
        Cursors { tokens: api.pages.clone(), tenant: caller.tenant.clone(), method, asked }
    }

    pub(super) fn seal(&self, place: &[u8]) -> String {
        self.tokens.seal(self.tenant.id(), self.method, &self.asked, place)
    }

    /// The place of a cursor; none to begin.
    pub(super) fn open(&self, cursor: &str) -> Result<Option<Vec<u8>>, Problem> {
        if cursor.is_empty() {
            return Ok(None);
        }
        let opened = self.tokens.open(self.tenant.id(), self.method, &self.asked, cursor);
        opened.map(Some).map_err(|_| cursor_invalid())
    }
}

/// Where an export is: behind this row of this wallet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    bucket: i32,
    wallet_id: Uuid,
    number: i64,
}

impl Place {
    fn behind(owner: &Owner, number: i64) -> Place {
        Place { bucket: owner.bucket(), wallet_id: owner.id(), number }
    }

    /// As it stands in a cursor.
    pub(super) fn bytes(&self) -> Vec<u8> {
        [&self.bucket.to_be_bytes()[..], self.wallet_id.as_bytes(), &self.number.to_be_bytes()].concat()
    }

    /// The beginning, if there is no cursor.
    pub(super) fn of_bytes(bytes: Option<Vec<u8>>) -> Result<Place, Problem> {
        let Some(bytes) = bytes else { return Ok(Place::default()) };
        let read = || {
            let (bucket, rest) = bytes.split_first_chunk()?;
            let (wallet_id, rest) = rest.split_first_chunk()?;
            let number = i64::from_be_bytes(rest.try_into().ok()?);
            let (bucket, wallet_id) = (i32::from_be_bytes(*bucket), Uuid::from_bytes(*wallet_id));
            Some(Place { bucket, wallet_id, number })
        };
        read().ok_or_else(cursor_invalid)
    }

    /// The number in a wallet behind which its rows are still ahead.
    fn in_wallet(&self, owner: &Owner) -> i64 {
        if self.wallet_id == owner.id() { self.number } else { 0 }
    }
}

/// Whose rows are asked for.
#[derive(Clone, Debug)]
pub(super) enum Whose {
    /// All of a program, in wallets that decided anything at a moment or later.
    Program {
        /// The program.
        id: String,
        /// The moment.
        since: Time,
    },
    /// Those of a member: all of its own wallet, and of those that have, or had, its points what is in its
    /// name.
    Member {
        /// The member.
        id: Uuid,
        /// These wallets, in the order of their keys.
        wallets: Vec<Owner>,
    },
}

impl Whose {
    /// True for a row of a wallet that is in somebody's name.
    pub(super) fn has(&self, wallet_id: Uuid, name: Uuid) -> bool {
        match self {
            Whose::Program { .. } => true,
            Whose::Member { id, .. } => *id == wallet_id || *id == name,
        }
    }
}

impl Api {
    /// Whose rows are asked for, of a program that there must be, and of a member of it.
    pub(super) async fn whose(
        &self,
        caller: &Caller,
        program_id: &str,
        member_id: Option<Uuid>,
        since: Time,
    ) -> Result<Whose, Status> {
        let (db, tenant) = (self.db.reader(), &caller.tenant);
        let program = self.catalogue.program(db, tenant, program_id).await.map_err(|e| told(&e))?;
        program.ok_or_else(|| program_not_found(program_id))?;
        let Some(id) = member_id else { return Ok(Whose::Program { id: program_id.to_owned(), since }) };
        let member = members::find(db, tenant, id).await.map_err(|e| told(&e))?;
        let missing = || member_not_found(&id.to_string());
        member.filter(|member| member.program_id == program_id).ok_or_else(missing)?;
        let has = self.located(tenant, id).await?.0;
        let mut wallets = self.wallets_of(&Owner::new(tenant, id), has).await?;
        wallets.sort();
        Ok(Whose::Member { id, wallets })
    }

    /// A member's own wallet, then the one that has its points and those in which it did something.
    pub(super) async fn wallets_of(&self, own: &Owner, has: Owner) -> Result<Vec<Owner>, Status> {
        let had = postings::elsewhere(self.db.reader(), own.tenant(), own.id()).await;
        let had = had.map_err(|e| told(&e))?;
        let others: BTreeSet<Owner> = had.into_iter().chain([has]).filter(|owner| owner != own).collect();
        Ok([own.clone()].into_iter().chain(others).collect())
    }
}

/// A walk over what wallets own, part after part.
pub(super) struct Walk {
    pub(super) api: Api,
    pub(super) whose: Whose,
    /// The number of a wallet's last row.
    last: fn(&Wallet) -> i64,
    /// Rows of a part.
    rows: i64,
    place: Place,
    /// Wallets of the place and behind it.
    ahead: VecDeque<(Owner, Versioned)>,
    further: Further,
}

/// Wallets behind those ahead.
enum Further {
    /// Of a program.
    Unread(Unread),
    /// Some that are known.
    Known(Vec<Owner>),
}

/// What of which wallets comes next, in the order of their keys.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) spans: Vec<Span>,
    /// The wallets of these.
    pub(super) wallets: Vec<(Owner, Versioned)>,
}

impl Part {
    /// The wallet with this id.
    pub(super) fn wallet(&self, id: Uuid) -> Option<&Wallet> {
        self.wallets.iter().find(|(owner, _)| owner.id() == id).map(|(_, found)| &found.wallet)
    }
}

impl Walk {
    /// From a place on.
    pub(super) fn new(
        api: &Api,
        caller: &Caller,
        whose: Whose,
        last: fn(&Wallet) -> i64,
        rows: u32,
        place: Place,
    ) -> Walk {
        let from = (place.bucket, place.wallet_id);
        let further = match &whose {
            Whose::Program { id, since } => {
                Further::Unread(Unread::from(&caller.tenant, id, Which::DecidedSince(*since), from))
            }
            Whose::Member { wallets, .. } => {
                let left = wallets.iter().filter(|owner| (owner.bucket(), owner.id()) >= from);
                Further::Known(left.cloned().collect())
            }
        };
        let (api, rows) = (api.clone(), i64::from(rows));
        Walk { api, whose, last, rows, place, ahead: VecDeque::new(), further }
    }

    /// Where it is.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// What comes next; `None` at the end. Every wallet has its rows up to the last one without a gap, so
    /// their numbers tell how many there are.
    pub(super) async fn next(&mut self) -> Result<Option<Part>, Status> {
        let (mut part, mut left) = (Part::default(), self.rows);
        while left > 0 {
            let Some((owner, found)) = self.ahead.front() else {
                match self.read_on().await.map_err(|e| told(&e))? {
                    true => continue,
                    false => break,
                }
            };
            let (after, last) = (self.place.in_wallet(owner), (self.last)(&found.wallet));
            let through = last.min(after.saturating_add(left)).max(after);
            self.place = Place::behind(owner, through);
            if through > after {
                left -= through - after;
                part.spans.push(Span { owner: owner.clone(), after, through });
                part.wallets.push((owner.clone(), found.clone()));
            }
            if through >= last {
                self.ahead.pop_front();
            }
        }
        Ok((!part.spans.is_empty()).then_some(part))
    }

    /// Reads wallets ahead; false if there are no more.
    async fn read_on(&mut self) -> Result<bool, db::Error> {
        let db = self.api.db.reader();
        match &mut self.further {
            Further::Unread(unread) => self.ahead.extend(unread.next(db, WALLETS).await?),
            Further::Known(owners) => {
                for owner in std::mem::take(owners) {
                    let found = wallets::find(db, &owner).await?;
                    self.ahead.extend(found.map(|found| (owner, found)));
                }
            }
        }
        Ok(!self.ahead.is_empty())
    }

    /// The program as all wallets of a part know it: currencies are only ever added.
    pub(super) async fn program(&self, part: &Part) -> Result<Arc<Program>, Status> {
        let age = |found: &Versioned| (found.program_version, found.wallet.purses.len());
        let youngest = part.wallets.iter().max_by_key(|(_, found)| age(found));
        let missing = || rpc::error::internal_because("a part of an export has no wallet");
        let (owner, found) = youngest.ok_or_else(missing)?;
        self.api.program_of(owner, found).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_from_its_cursor() {
        let owner = Owner::new(&Tenant::new("t"), Uuid::from_u128(7));
        let place = Place::behind(&owner, 42);
        assert_eq!(Place::of_bytes(Some(place.bytes())), Ok(place));
        assert_eq!(Place::of_bytes(None), Ok(Place::default()));
        for broken in [Vec::new(), place.bytes()[1..].to_vec(), [place.bytes(), vec![0]].concat()] {
            assert_eq!(Place::of_bytes(Some(broken)).unwrap_err().reason, "CURSOR_INVALID");
        }
        let other = Owner::new(&Tenant::new("t"), Uuid::from_u128(8));
        assert_eq!((place.in_wallet(&owner), place.in_wallet(&other)), (42, 0));
    }

    #[test]
    fn chunks_have_a_limit() {
        assert_eq!([0, 1, 499, 500, 501, i32::MAX].map(chunk_size), [500, 1, 499, 500, 500, 500]);
    }

    #[test]
    fn of_a_shared_wallet_a_member_has_what_is_in_its_name() {
        let [own, shared, other] = [1, 2, 3].map(Uuid::from_u128);
        let whose = Whose::Member { id: own, wallets: Vec::new() };
        assert!(whose.has(own, Uuid::nil()) && whose.has(shared, own));
        assert!(!whose.has(shared, other) && !whose.has(shared, Uuid::nil()));
    }
}
