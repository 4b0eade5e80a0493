//! UpdateReward: a reward gets another version.

use ambient::Time;
use db::Tx;
use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Once, Written};
use rpc::Problem;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::{DOMAIN, program_not_found, reward_not_found};
use super::reward_wire::{decode, etag, fits, offered};
use super::wire::uuid;
use crate::domain::{Reward, RewardTerms};
use crate::store::{Owner, Tenant, programs, rewards, rule_sets};

/// Gives a reward one value of another.
type Change = fn(&mut Reward, &Reward);

/// What can be changed.
const CHANGES: [(&str, Change); 14] = [
    ("display_name", |of, to| of.display_name.clone_from(&to.display_name)),
    ("price_points", |of, to| of.price.points = to.price.points),
    ("currency_code", |of, to| of.price.currency.clone_from(&to.price.currency)),
    ("price_money", |of, to| of.price.money = to.price.money),
    ("other_prices", |of, to| of.terms.other_prices.clone_from(&to.terms.other_prices)),
    ("start_time", |of, to| of.terms.start_micros = to.terms.start_micros),
    ("end_time", |of, to| of.terms.end_micros = to.terms.end_micros),
    ("min_tier_id", |of, to| of.terms.min_tier_id.clone_from(&to.terms.min_tier_id)),
    ("eligibility", |of, to| of.terms.eligibility.clone_from(&to.terms.eligibility)),
    ("limit", |of, to| of.terms.limit = to.terms.limit),
    ("payment_rate", |of, to| of.terms.rate = to.terms.rate),
    ("fulfilment", |of, to| of.terms.fulfilment = to.terms.fulfilment),
    ("texts", |of, to| of.terms.texts.clone_from(&to.terms.texts)),
    ("image_uris", |of, to| of.terms.image_uris.clone_from(&to.terms.image_uris)),
];

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::UpdateRewardRequest>,
) -> Result<pb::UpdateRewardResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let (mut found, now) = (Violations::default(), api.clock.now());
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let given = message.reward.clone().unwrap_or_default();
    let (wanted, _) = decode(&given, now, &Path::ROOT.field("reward"), &mut found);
    let changes = changes(message.update_mask.as_ref().map_or(&[][..], |mask| &mask.paths), &mut found);
    found.into_result(DOMAIN)?;
    let program = api.catalogue.program(api.db.reader(), &caller.tenant, &given.program_id).await;
    program.map_err(|e| told(&e))?.ok_or_else(|| program_not_found(&given.program_id))?;
    let call = caller.call(DOMAIN, "UpdateReward", request_id, &message);
    let command = Once { scope: Owner::named(&caller.tenant, &given.program_id), call, now };
    let tenant = caller.tenant.clone();
    let submitted = api.submit_once(&caller, command, move |tx| {
        let (tenant, wanted, changes) = (tenant.clone(), wanted.clone(), changes.clone());
        let expected = given.etag.clone();
        async move { write(tx, (&tenant, now), (&wanted, &changes), &expected).await }.boxed()
    });
    let (response, replayed): (pb::UpdateRewardResponse, bool) = submitted.await?;
    Ok(pb::UpdateRewardResponse { replayed, ..response })
}

fn changes(mask: &[String], found: &mut Violations) -> Vec<Change> {
    let path = Path::ROOT.field("update_mask");
    if mask.is_empty() {
        found.add(&path, "paths", "must name what to change");
    }
    let mut changes = Vec::with_capacity(mask.len());
    for name in mask {
        match CHANGES.iter().find(|(known, _)| known == name) {
            Some((_, change)) => changes.push(*change),
            None => {
                let known: Vec<&str> = CHANGES.iter().map(|(name, _)| *name).collect();
                found.add(&path, "paths", format!("must be of {}", known.join(", ")));
            }
        }
    }
    changes
}

async fn write(
    tx: &Tx,
    (tenant, now): (&Tenant, Time),
    (wanted, changes): (&Reward, &[Change]),
    expected: &str,
) -> Result<Written, db::Error> {
    rule_sets::lock_program(tx, tenant, &wanted.program_id, 0).await?;
    let key = rewards::Key::new(tenant, &wanted.program_id, &wanted.id);
    let Some(before) = rewards::find(tx, &key).await? else {
        return Ok(Written::refused(&reward_not_found(&wanted.id)));
    };
    if !expected.is_empty() && expected != etag(&before) {
        return Ok(Written::refused(&changed_since(expected, &before)));
    }
    let mut reward = before.clone();
    changes.iter().for_each(|change| change(&mut reward, wanted));
    let program = programs::find(tx, tenant, &reward.program_id).await?;
    if let Some(Err(problem)) = program.map(|program| fits(&reward, &program)) {
        return Ok(Written::refused(&problem));
    }
    if let RewardTerms { start_micros: Some(start), end_micros: Some(end), .. } = reward.terms
        && end <= start
    {
        return Ok(Written::refused(&ends_before_start()));
    }
    if reward != before {
        reward.version = before.version.saturating_add(1);
        rewards::update(tx, tenant, &before, &reward).await?;
        rule_sets::lock_program(tx, tenant, &reward.program_id, 1).await?;
    }
    let reward = Some(offered(tx, tenant, &reward, now).await?);
    Ok(Written::done(&pb::UpdateRewardResponse { reward, replayed: false }))
}

fn changed_since(expected: &str, reward: &Reward) -> Problem {
    let message = format!("reward {} was changed meanwhile; read it again", reward.id);
    Problem::aborted(DOMAIN, "ETAG_MISMATCH", message).with("expected", expected).with("actual", etag(reward))
}

fn ends_before_start() -> Problem {
    let message = "the reward would end before it starts; change both times together";
    Problem::precondition(DOMAIN, "ENDS_BEFORE_START", message)
}
