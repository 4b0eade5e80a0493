//! QuotePayment: what a member's points would pay of a bill.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::get_balance::present;
use super::redemption_wire::bill;
use super::refusal::{DOMAIN, problem, reward_not_found};
use super::wire::{money, uuid};
use crate::store::rewards;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::QuotePaymentRequest>,
) -> Result<pb::QuotePaymentResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
    let bill = bill(message.amount.as_ref(), (message.max_points, 1), &Path::ROOT, &mut found);
    found.into_result(DOMAIN)?;
    let bill = bill.ok_or_else(|| rpc::error::internal_because("a required amount is missing"))?;
    let (owner, found) = api.located(&caller.tenant, member_id).await?;
    let now = api.clock.now();
    let (wallet, program) = present(api, &owner, found, now).await?;
    let key = rewards::Key::new(&caller.tenant, &program.id, &message.reward_id);
    let reward = rewards::find(api.db.reader(), &key).await.map_err(|e| told(&e))?;
    let reward = reward.ok_or_else(|| reward_not_found(&message.reward_id))?;
    let share = reward.share(&program, &wallet, bill, now.max(wallet.now));
    let share = share.map_err(|refusal| problem(&refusal).to_status())?;
    let purse = program.spendable(&reward.price.currency).unwrap_or(0);
    Ok(pb::QuotePaymentResponse {
        points: share.points,
        paid: Some(money(share.paid)),
        money: Some(money(share.rest)),
        available: wallet.purse(purse).totals.available,
        currency_code: program.code_of(purse).to_owned(),
        reward_version: reward.version,
    })
}
