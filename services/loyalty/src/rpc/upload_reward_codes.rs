//! UploadRewardCodes: a stream of codes for the pool of a reward. Each message is added in a transaction of
//! its own; what a reward was given before is passed over, so that an upload can be repeated.

use db::Pick;
use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use rpc::Problem;
use tonic::{Request, Status, Streaming};

use super::Api;
use super::call::told;
use super::refusal::{DOMAIN, reward_not_found};
use super::reward_wire::offered;
use crate::domain::Supply;
use crate::store::rewards::{self, Key};

/// How long a code may be, in bytes.
const CODE_MAX: usize = 200;

pub(super) async fn handle(
    api: &Api,
    request: Request<Streaming<pb::UploadRewardCodesRequest>>,
) -> Result<pb::UploadRewardCodesResponse, Status> {
    let (caller, mut messages) = Caller::open(request)?;
    let mut next = messages.message().await?;
    let named = next.as_ref().map(|first| (first.program_id.clone(), first.reward_id.clone()));
    let (program_id, reward_id) = named.unwrap_or_default();
    let mut found = Violations::default();
    for (field, given) in [("program_id", &program_id), ("reward_id", &reward_id)] {
        if given.is_empty() {
            found.add(&Path::ROOT, field, "must be set in the first message");
        }
    }
    found.into_result(DOMAIN)?;
    let key = Key::new(&caller.tenant, &program_id, &reward_id);
    let reward = rewards::find(api.db.reader(), &key).await.map_err(|e| told(&e))?;
    let reward = reward.ok_or_else(|| reward_not_found(&reward_id))?;
    if reward.supply != Supply::Codes {
        return Err(no_code_pool(&reward_id).to_status());
    }
    let (mut given, mut added) = (0_usize, 0_i64);
    while let Some(message) = next {
        check(&message, &key, given)?;
        given = given.saturating_add(message.codes.len());
        added = added.saturating_add(add(api, &caller, &key, message.codes).await?);
        next = messages.message().await?;
    }
    let passed_over = i64::try_from(given).unwrap_or(i64::MAX).saturating_sub(added);
    let db = api.db.reader();
    let reward = offered(db, &caller.tenant, &reward, api.clock.now()).await.map_err(|e| told(&e))?;
    Ok(pb::UploadRewardCodesResponse { added, passed_over, reward: Some(reward) })
}

/// Refuses a message that is of another reward or brings what is no code, after so many codes before it.
fn check(message: &pb::UploadRewardCodesRequest, key: &Key, before: usize) -> Result<(), Status> {
    let mut found = Violations::default();
    let same = |given: &str, first: &str| given.is_empty() || given == first;
    for (field, given, first) in [
        ("program_id", &message.program_id, &key.program_id),
        ("reward_id", &message.reward_id, &key.reward_id),
    ] {
        if !same(given, first) {
            found.add(&Path::ROOT, field, "must be that of the first message, or empty");
        }
    }
    let is_clean = |code: &str| code.trim() == code && !code.contains(char::is_control);
    let is_code = |code: &String| !code.is_empty() && code.len() <= CODE_MAX && is_clean(code);
    if let Some(bad) = message.codes.iter().position(|code| !is_code(code)) {
        let place = before.saturating_add(bad).saturating_add(1);
        let told = format!(
            "must have 1 to {CODE_MAX} bytes each, without control characters, and without white space at \
             the ends: code {place} has not"
        );
        found.add(&Path::ROOT, "codes", told);
    }
    found.into_result(DOMAIN)
}

async fn add(api: &Api, caller: &Caller, key: &Key, codes: Vec<String>) -> Result<i64, Status> {
    let (db, key) = (api.db.clone(), key.clone());
    let adding = async move {
        let adding = db.transact(move |tx| {
            let (key, codes) = (key.clone(), codes.clone());
            async move {
                let stock = rewards::stock(tx, std::slice::from_ref(&key), Pick::Locked).await?;
                let lost = || db::Error::Damaged(format!("reward {} lost its stock row", key.reward_id));
                rewards::add_codes(tx, &key, *stock.get(&key).ok_or_else(lost)?, &codes).await
            }
            .boxed()
        });
        adding.await
    };
    caller.run(adding).await?.map_err(|e| told(&e))
}

fn no_code_pool(reward_id: &str) -> Problem {
    let message = format!("reward {reward_id} has no pool of codes; create it with code_pool");
    Problem::precondition(DOMAIN, "NO_CODE_POOL", message).with("reward_id", reward_id)
}
