//! GetBalance: from the cache if it may be, otherwise from the database; as of the past if asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use ambient::Time;
use bytes::Bytes;
use cache::{Fill, Key, Lookup, Snapshot};
use futures::FutureExt;
use prost::Message;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use rpc::Problem;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::call::told;
use super::refusal::{DOMAIN, member_not_found};
use super::wire::{
    balance, date, further_balances, opt_timestamp, read_token, read_version, tier, time, uuid, uuid_text,
};
use crate::domain::{Program, Purse, State, Totals, Wallet, local_date, start_of_day, view};
use crate::store::lots::Held;
use crate::store::wallets::{self, Versioned};
use crate::store::{Owner, activities, balance_at, due, lots, tiers};

/// Wallets on the way to a balance, as the cache has it: members who are merged and moved on and on are
/// looked for in the database.
const WAY_MAX: usize = 4;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetBalanceRequest>,
) -> Result<pb::GetBalanceResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
    let as_of = time(message.as_of, &Path::ROOT, "as_of", &mut found);
    found.into_result(DOMAIN)?;
    let full = message.view() == pb::BalanceView::Full;
    let now = api.clock.now();
    if let Some(at) = as_of.filter(|at| *at > now) {
        return Err(as_of_in_future(at, now).to_status());
    }
    let balance = if as_of.is_some() || full {
        let (owner, ..) = api.settled(&caller, member_id).await?;
        let version_min = version_of(&message.read_token, [member_id, owner.id()])?;
        let moment = as_of.map_or(Moment::Now(now), Moment::Past);
        read(api, &owner, version_min, moment, full).await?
    } else {
        cached(api, &caller, member_id, &message.read_token, now).await?
    };
    Ok(pb::GetBalanceResponse { member_id: uuid_text(member_id), ..balance })
}

/// The balance by the cache: that of the wallet, or of the one that has its owner's points.
async fn cached(
    api: &Api,
    caller: &Caller,
    member_id: Uuid,
    token: &str,
    now: Time,
) -> Result<pb::GetBalanceResponse, Status> {
    let mut owner = Owner::new(&caller.tenant, member_id);
    for _ in 0..WAY_MAX {
        let found = of_wallet(api, &owner, read_version(token, owner.id()), now).await?;
        let Some(other) = elsewhere(&found, &owner) else {
            match version_of(token, [member_id, owner.id()]) {
                Ok(_) => return Ok(found),
                Err(_) => break,
            }
        };
        owner = other;
    }
    // The cache may not know yet that the member moved.
    let (owner, ..) = api.settled(caller, member_id).await?;
    let version_min = version_of(token, [member_id, owner.id()])?;
    of_wallet(api, &owner, version_min, now).await
}

async fn of_wallet(
    api: &Api,
    owner: &Owner,
    version_min: Option<i64>,
    now: Time,
) -> Result<pb::GetBalanceResponse, Status> {
    let key = Key::new(owner.tenant().id(), owner.id(), "balance");
    let fill = match api.cache.get_or_fill(&key, now, version_min).await {
        Lookup::Miss(fill) => fill,
        Lookup::Hit(hit) => match pb::GetBalanceResponse::decode(hit.bytes) {
            Ok(found) => {
                let read_token = read_token(owner.id(), hit.version);
                return Ok(pb::GetBalanceResponse { read_token, ..found });
            }
            Err(_) => Fill::default(),
        },
    };
    let found = wallets::find(api.db.reader(), owner).await.map_err(|e| told(&e))?;
    let found = found.ok_or_else(|| member_not_found(&owner.id().to_string()))?;
    let (wallet, program) = present(api, owner, found, now).await?;
    check_version(&wallet, version_min)?;
    let bytes = Bytes::from(snapshot(&wallet, &program, now));
    let valid_until = program.balance_valid_until(&wallet, now);
    fill.offer(Snapshot { version: wallet.version, valid_until, bytes }).await;
    Ok(message_of(&wallet, &program, now))
}

/// The wallet that a balance sends on to.
fn elsewhere(found: &pb::GetBalanceResponse, owner: &Owner) -> Option<Owner> {
    let id = found.wallet_id.parse().ok().filter(|id| *id != owner.id())?;
    Some(Owner::new(owner.tenant(), id))
}

/// The least version that a token asks for, of one of these wallets.
fn version_of(token: &str, wallets: [Uuid; 2]) -> Result<Option<i64>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let [member, wallet] = wallets.map(|id| read_version(token, id));
    match (member, wallet) {
        (None, None) => Err(token_invalid()),
        (_, of_wallet) => Ok(of_wallet),
    }
}

/// All that there is to a balance at present; the wallet must be settled.
pub(super) async fn full(api: &Api, owner: &Owner) -> Result<pb::GetBalanceResponse, Status> {
    read(api, owner, None, Moment::Now(api.clock.now()), true).await
}

/// The balance as it is published to the cache: the response without its read token.
pub(crate) fn snapshot(wallet: &Wallet, program: &Program, now: Time) -> Vec<u8> {
    let mut message = message_of(wallet, program, now);
    message.read_token = String::new();
    message.encode_to_vec()
}

fn message_of(wallet: &Wallet, program: &Program, now: Time) -> pb::GetBalanceResponse {
    let (ladder, zone) = (&program.ladder, program.time_zone);
    let status = wallet.tier.status(ladder, zone, local_date(zone, now));
    pb::GetBalanceResponse {
        member_id: uuid_text(wallet.id),
        balance: Some(balance(wallet, program, 0)),
        further_balances: further_balances(wallet, program),
        tier: Some(tier(&status, program)),
        read_token: read_token(wallet.id, wallet.version),
        wallet_id: uuid_text(wallet.moved_to.unwrap_or(wallet.id)),
    }
}

/// A wallet with everything due applied, and its program.
pub(super) async fn present(
    api: &Api,
    owner: &Owner,
    found: Versioned,
    now: Time,
) -> Result<(Wallet, Arc<Program>), Status> {
    let program = api.program_of(owner, &found).await?;
    let mut state = State::new(found.wallet);
    if state.has_due(now) {
        let asked = owner.clone();
        let looked = api.db.snapshot(move |tx| {
            let owner = asked.clone();
            async move {
                let Some(found) = wallets::find(tx, &owner).await? else { return Ok(None) };
                Ok(Some(due::state(tx, &owner, found.wallet, now).await?))
            }
            .boxed()
        });
        let looked = looked.await.map_err(|e| told(&e))?;
        state = looked.ok_or_else(|| member_not_found(&owner.id().to_string()))?;
    }
    Ok((view(&state, &program, now), program))
}

#[derive(Clone, Copy)]
enum Moment {
    Now(Time),
    Past(Time),
}

/// What one consistent look at the database says of a wallet at a moment.
struct Look {
    wallet: Wallet,
    at: Time,
    alive: Vec<Held>,
}

async fn read(
    api: &Api,
    owner: &Owner,
    version_min: Option<i64>,
    moment: Moment,
    full: bool,
) -> Result<pb::GetBalanceResponse, Status> {
    let found = wallets::find(api.db.reader(), owner).await.map_err(|e| told(&e))?;
    let found = found.ok_or_else(|| member_not_found(&owner.id().to_string()))?;
    let program = api.program_of(owner, &found).await?;
    let (asked, rules) = (owner.clone(), program.clone());
    let look = api.db.snapshot(move |tx| {
        let (owner, program) = (asked.clone(), rules.clone());
        async move { look(tx, &owner, &program, moment).await }.boxed()
    });
    let look = look.await.map_err(|e| told(&e))?.ok_or_else(|| member_not_found(&owner.id().to_string()))?;
    let Look { wallet, at, alive } = look;
    check_version(&wallet, version_min)?;
    let mut message = message_of(&wallet, &program, at);
    let further = (1..).filter(|purse| !program.qualifies(*purse)).zip(&mut message.further_balances);
    let balances = message.balance.iter_mut().map(|balance| (0, balance)).chain(further);
    for (number, balance) in balances.filter(|_| full) {
        let held = alive.iter().filter(|held| held.is_in(number));
        balance.expiries = buckets(wallet.purse(number), held, &program);
    }
    Ok(message)
}

async fn look(
    tx: &db::Tx,
    owner: &Owner,
    program: &Program,
    moment: Moment,
) -> Result<Option<Look>, db::Error> {
    let Some(Versioned { wallet, .. }) = wallets::find(tx, owner).await? else { return Ok(None) };
    let look = match moment {
        // The present of a wallet is never behind its last decision, whatever the clock says.
        Moment::Now(now) => {
            Look { at: now.max(wallet.now), alive: lots::spendable(tx, owner).await?, wallet }
        }
        Moment::Past(at) => past(tx, owner, program, (wallet, at)).await?,
    };
    Ok(Some(look))
}

async fn past(
    tx: &db::Tx,
    owner: &Owner,
    program: &Program,
    (mut wallet, at): (Wallet, Time),
) -> Result<Look, db::Error> {
    let zone = program.time_zone;
    let today = local_date(zone, at);
    let past = tiers::pasts(tx, &BTreeSet::from([owner.clone()])).await?.remove(owner).unwrap_or_default();
    // Whole days from the sums per day, the day of the moment itself from its activities.
    let of_day = activities::between(tx, owner, start_of_day(zone, today), at).await?;
    let credits = of_day.iter().map(|activity| program.ladder.policy.credits(activity));
    let past = past.up_to(today, credits.fold(0, i64::saturating_add));
    let overflow = |_| db::Error::Damaged(format!("credits of wallet {}", owner.id()));
    wallet.tier = past.standing(&program.ladder, wallet.open_time, today, zone).map_err(overflow)?;
    let (totals, alive) = (balance_at::totals_at(tx, owner, at).await?, lots::alive_at(tx, owner, at).await?);
    for (number, purse) in (0..).zip(&mut wallet.purses) {
        purse.totals = totals.get(&number).copied().unwrap_or(Totals::ZERO);
        let first = alive.iter().find(|held| held.is_in(number));
        purse.first_expire = first.map_or(Time::NEVER, |held| Time::from_micros(held.expire_time));
    }
    Ok(Look { wallet, at, alive })
}

fn buckets<'a>(
    purse: &Purse,
    alive: impl Iterator<Item = &'a Held>,
    program: &Program,
) -> Vec<pb::ExpiryBucket> {
    let mut buckets: Vec<pb::ExpiryBucket> = Vec::new();
    for held in alive {
        let expire_time = purse.alive.lives_until(Time::from_micros(held.expire_time));
        let expires = opt_timestamp(expire_time).map(|_| local_date(program.time_zone, expire_time));
        let expire_date = expires.map(date);
        match buckets.last_mut().filter(|bucket| bucket.expire_date == expire_date) {
            Some(bucket) => bucket.points = bucket.points.saturating_add(held.points),
            None => buckets.push(pb::ExpiryBucket { expire_date, points: held.points }),
        }
    }
    buckets
}

fn check_version(wallet: &Wallet, version_min: Option<i64>) -> Result<(), Status> {
    // Whoever wrote this token saw a newer state than the database has: the token is not of this data.
    if version_min.is_some_and(|least| wallet.version < least) { Err(token_invalid()) } else { Ok(()) }
}

fn token_invalid() -> Status {
    let message = "the read token was not issued for this member";
    Problem::invalid(DOMAIN, "READ_TOKEN_INVALID", message)
        .field("read_token", "must come from a write or read of the same member")
        .to_status()
}

fn as_of_in_future(at: Time, now: Time) -> Problem {
    Problem::invalid(DOMAIN, "AS_OF_IN_FUTURE", format!("as_of is {at}, which lies after {now}"))
        .with("as_of", at)
        .with("now", now)
        .field("as_of", "must not lie in the future")
}
