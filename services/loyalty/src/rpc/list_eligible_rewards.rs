//! ListEligibleRewards: what a member can have, and what keeps it from the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::call::told;
use super::refusal::DOMAIN;
use super::reward_wire::{obstacle, reward_message, text_message};
use super::wire::{money, uuid};
use crate::domain::rules::Counter;
use crate::domain::{
    Asker, Command, Context, Member, Program, RedeemReward, Refusal, Reward, Stock, Wallet, allow, shares_as,
};
use crate::store::counters::{Counters, Key};
use crate::store::{Owner, members, rewards};

const METHOD: &str = "ListEligibleRewards";

/// Who looks, at what.
struct Looking {
    program: Arc<Program>,
    wallet: Wallet,
    member: Option<Member>,
    /// What keeps the member from having anything.
    barred: Option<Refusal>,
    /// What was counted for limits of rewards and of the program.
    used: BTreeMap<Counter, i64>,
    language: String,
    now: ambient::Time,
}

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListEligibleRewardsRequest>,
) -> Result<pb::ListEligibleRewardsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
    found.into_result(DOMAIN)?;
    let filter = format!("{}\0{}", message.member_id, message.eligible_only);
    let list = caller.list(&api.pages, METHOD, &filter, message.page_size)?;
    let cursor = list.open(&message.page_token)?.unwrap_or_default();
    let after = String::from_utf8_lossy(&cursor);
    let (mut looking, owner) = look(api, &caller, member_id).await?;
    let (db, tenant, program_id) = (api.db.reader(), &caller.tenant, looking.program.id.clone());
    let page = rewards::page(db, tenant, &program_id, &after, list.limit()).await;
    let mut offered = page.map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut offered, |_| 0, |reward| reward.id.as_bytes().to_vec());
    looking.meet(api, &Owner::new(tenant, member_id), &offered, &message.language_code).await?;
    let stock = rewards::on_offer(db, tenant, &offered, looking.now).await.map_err(|e| told(&e))?;
    let counters = looking.program.velocity_counters(&redeeming(member_id), looking.now);
    let units = offered.iter().filter_map(|one| one.counter(&looking.program, looking.now));
    let counters = counters.into_iter().chain(units);
    let counters: Vec<_> = counters.map(|counter| Key::new(&owner, &program_id, counter)).collect();
    let wanted: BTreeSet<Key> = counters.iter().cloned().collect();
    let counted = Counters::read(db, &wanted).await.map_err(|e| told(&e))?;
    looking.used = counted.used(counters);
    let shown = offered.iter().zip(stock).map(|(one, stock)| looking.at(one, stock));
    let rewards = shown.filter(|shown| shown.eligible || !message.eligible_only).collect();
    Ok(pb::ListEligibleRewardsResponse { rewards, next_page_token })
}

async fn look(api: &Api, caller: &Caller, member_id: Uuid) -> Result<(Looking, Owner), Status> {
    // Holds that timed out give their units back before stock and limits are read.
    let (way, (owner, wallet, program)) = api.settled_on_way(caller, member_id).await?;
    let context = Context { shares_as: shares_as(&way), ..Context::of(&program) };
    let barred = allow(&wallet, context, &redeeming(member_id)).err();
    let (member, used, language) = (None, BTreeMap::new(), String::new());
    let now = api.clock.now().max(wallet.now);
    Ok((Looking { program, wallet, member, barred, used, language, now }, owner))
}

/// The command of a member that redeems something.
fn redeeming(member_id: Uuid) -> Command {
    Command::RedeemReward(RedeemReward {
        redemption_id: Uuid::nil(),
        member_id,
        reward_id: String::new(),
        price_id: String::new(),
        quantity: 1,
        bill: None,
    })
}

impl Looking {
    /// Reads who the member is, if one of these rewards or the language asks for it.
    async fn meet(
        &mut self,
        api: &Api,
        own: &Owner,
        offered: &[Reward],
        language: &str,
    ) -> Result<(), Status> {
        language.clone_into(&mut self.language);
        let in_words = |reward: &Reward| language.is_empty() && !reward.terms.texts.is_empty();
        if offered.iter().any(|reward| reward.names_member() || in_words(reward)) {
            let known = members::find_many(api.db.reader(), std::slice::from_ref(own)).await;
            self.member = known.map_err(|e| told(&e))?.into_values().next();
        }
        if let Some(member) = self.member.as_ref().filter(|_| language.is_empty()) {
            self.language.clone_from(&member.profile.locale);
        }
        Ok(())
    }

    fn at(&self, reward: &Reward, stock: Stock) -> pb::EligibleReward {
        let counter = reward.counter(&self.program, self.now);
        let asker = Asker {
            program: &self.program,
            wallet: &self.wallet,
            member: self.member.as_ref(),
            had: counter.and_then(|counter| self.used.get(&counter).copied()).unwrap_or(0),
            now: self.now,
        };
        let (prices, in_the_way) = self.prices(reward);
        let barred = self.barred.iter().cloned().chain(reward.barred(asker, stock, 1));
        let obstacles: Vec<_> = barred.chain(in_the_way).map(|refusal| obstacle(&refusal)).collect();
        pb::EligibleReward {
            reward: Some(reward_message(reward, stock)),
            eligible: obstacles.is_empty(),
            obstacles,
            prices,
            text: reward.terms.text(&self.language).map(text_message),
        }
    }

    /// What one unit costs, and what is in the way of the price that the wallet is closest to.
    fn prices(&self, reward: &Reward) -> (Vec<pb::MemberPrice>, Vec<Refusal>) {
        let program = &self.program;
        let (mut prices, mut ways) = (Vec::new(), Vec::new());
        for price in reward.prices() {
            // Currencies never go away, so each price has one.
            let purse = program.spendable(&price.currency).unwrap_or(0);
            let code = program.code_of(purse);
            let points = price.points_of(program, &self.wallet, self.now);
            // Nobody has more than can be counted.
            let needed = reward.least(points).unwrap_or(i64::MAX);
            let available = self.wallet.purse(purse).totals.available;
            let missing_points = needed.saturating_sub(available).max(0);
            let lacking = Refusal::InsufficientPoints { needed, available };
            let lacking = (missing_points > 0).then_some(lacking);
            let beyond = program.allow_redeeming((needed, code), &self.used, self.now).err();
            ways.push((
                missing_points,
                lacking,
                beyond.filter(|refusal| *refusal != Refusal::AmountOverflow),
            ));
            prices.push(pb::MemberPrice {
                price_id: price.id.clone(),
                points,
                currency_code: code.to_owned(),
                money: price.money.map(money),
                missing_points,
            });
        }
        let closest = ways.into_iter().min_by_key(|(missing, _, beyond)| (*missing, beyond.is_some()));
        let in_the_way =
            closest.into_iter().flat_map(|(_, lacking, beyond)| lacking.into_iter().chain(beyond));
        (prices, in_the_way.collect())
    }
}
