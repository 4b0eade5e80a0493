//! The state that a batch of commands is decided on, and the changes they leave.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ambient::Time;
use db::Tx;
use requests::{Call, Record, Written, replay};
use uuid::Uuid;

use super::{Answer, Answered, Asked, Catalogue, Request, announce};
use crate::domain::{
    Activity, ActivityRef, Command, Context, Member, Outcome, Program, Refusal, Reply, Review, ReviewState,
    Reward, State, Stock, Wallet, decide,
};
use crate::store::counters::{self, Counters};
use crate::store::wallets::Locked;
use crate::store::{Changes, Owner, activities, lots, members, reviews, rewards, tiers};

pub(super) struct Batch {
    now: Time,
    machine_now_micros: i64,
    wallets: HashMap<Owner, Open>,
    recorded: HashMap<(Owner, Uuid), Record>,
    /// Two requests of this batch share an id: what the first one leaves must be found by the second.
    repeated: bool,
    external: HashMap<(Owner, String), Uuid>,
    activities: HashMap<(Owner, Uuid), Activity>,
    reviews: HashMap<(Owner, Uuid), Review>,
    members: HashMap<Owner, Member>,
    counters: Counters,
    rewards: HashMap<rewards::Key, Arc<Reward>>,
    stock: HashMap<rewards::Key, i64>,
    changes: Changes,
}

struct Open {
    state: State,
    program: Arc<Program>,
    changed: bool,
}

impl Batch {
    /// Loads what the requests need, given their locked wallets.
    pub(super) async fn load(
        tx: &Tx,
        catalogue: &Catalogue,
        requests: &[Request],
        locked: HashMap<Owner, Locked>,
        now: Time,
    ) -> Result<Batch, db::Error> {
        let ids: BTreeSet<(Owner, Uuid)> = requests
            .iter()
            .filter_map(|r| Some((r.owner.clone(), r.call.as_ref()?.call.request_id)))
            .collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let external: BTreeSet<(Owner, String)> = requests.iter().filter_map(external_id).collect();
        let external: Vec<_> = external.into_iter().collect();
        let mut batch = Batch {
            now,
            machine_now_micros: events::machine_now_micros(),
            wallets: open(tx, catalogue, locked).await?,
            repeated: ids.len() < requests.len(),
            recorded: requests::find(tx, &ids).await?,
            external: activities::find_external(tx, &external).await?,
            activities: HashMap::new(),
            reviews: reviews::find(tx, &requests.iter().filter_map(review_key).collect::<Vec<_>>()).await?,
            members: HashMap::new(),
            counters: Counters::default(),
            rewards: HashMap::new(),
            stock: HashMap::new(),
            changes: Changes::default(),
        };
        batch.load_activities(tx, catalogue, requests).await?;
        batch.load_grants(tx, requests).await?;
        batch.load_rewards(tx, catalogue, requests).await?;
        batch.load_lots(tx, requests).await?;
        Ok(batch)
    }

    async fn load_activities(
        &mut self,
        tx: &Tx,
        catalogue: &Catalogue,
        requests: &[Request],
    ) -> Result<(), db::Error> {
        let named: BTreeSet<(Owner, Uuid)> = requests.iter().filter_map(|r| self.activity_key(r)).collect();
        self.activities = activities::find(tx, &named.into_iter().collect::<Vec<_>>()).await?;
        // While the lock was waited for, another process may have granted by rules that are younger than what
        // was read beside it.
        for ((owner, _), activity) in &self.activities {
            let Some(open) = self.wallets.get_mut(owner) else { continue };
            let version = activity.pinned.rule_version;
            if version > 0 && open.program.rule_set(version).is_none() {
                let newer = open.program.version.saturating_add(1);
                let found = catalogue.program_since(tx, owner.tenant(), &open.program.id, newer).await?;
                open.program = found.unwrap_or_else(|| open.program.clone());
            }
        }
        Ok(())
    }

    /// Loads what grants depend on beside the wallet: tiers of the past, members, and counters of caps.
    async fn load_grants(&mut self, tx: &Tx, requests: &[Request]) -> Result<(), db::Error> {
        for (owner, past) in tiers::pasts(tx, &self.reach_back(requests)).await? {
            if let Some(open) = self.wallets.get_mut(&owner) {
                open.state.past = Some(past);
            }
        }
        let asked_of: BTreeSet<&Owner> =
            requests.iter().filter(|r| self.asks_of_member(r)).map(|r| &r.owner).collect();
        self.members = members::find_many(tx, &asked_of.into_iter().cloned().collect::<Vec<_>>()).await?;
        let counters: BTreeSet<counters::Key> = requests.iter().flat_map(|r| self.counter_keys(r)).collect();
        self.counters = Counters::lock(tx, &counters).await?;
        Ok(())
    }

    async fn load_rewards(
        &mut self,
        tx: &Tx,
        catalogue: &Catalogue,
        requests: &[Request],
    ) -> Result<(), db::Error> {
        let named: BTreeSet<rewards::Key> = requests.iter().filter_map(|r| self.reward_key(r)).collect();
        let mut counted = Vec::new();
        for key in named {
            if let Some(reward) = catalogue.reward(tx, &key).await? {
                if reward.counted {
                    counted.push(key.clone());
                }
                self.rewards.insert(key, reward);
            }
        }
        self.stock = rewards::stock(tx, &counted, true).await?;
        Ok(())
    }

    async fn load_lots(&mut self, tx: &Tx, requests: &[Request]) -> Result<(), db::Error> {
        let mut wants: BTreeMap<&Owner, (lots::Want, bool)> = BTreeMap::new();
        let others: Vec<Owner> = requests.iter().filter_map(Request::other).collect();
        for owner in &others {
            // A second wallet needs what is due.
            let Some(open) = self.wallets.get(owner) else { continue };
            let nothing = || (open.want(owner, self.now), false);
            let (_, needed) = wants.entry(owner).or_insert_with(nothing);
            *needed |= open.state.has_due(self.now);
        }
        for request in requests {
            let Some(open) = self.wallets.get(&request.owner) else { continue };
            let reward = self.reward_key(request).and_then(|key| self.rewards.get(&key));
            let activity = self.activity_key(request).and_then(|key| self.activities.get(&key));
            let nothing = || (open.want(&request.owner, self.now), false);
            let (want, needed) = wants.entry(&request.owner).or_insert_with(nothing);
            let points = request.command.debit_max(activity, reward.map(AsRef::as_ref));
            want.points = want.points.saturating_add(points);
            let until = request.command.lots_until(&open.state, &open.program, self.now);
            want.due_until = want.due_until.max(until.unwrap_or(want.due_until));
            let since = request.command.expired_since();
            want.expired_since = since.into_iter().chain(want.expired_since).min();
            if let Some((first, count)) = activity.map(|activity| activity.lots) {
                want.numbers.extend(first..first.saturating_add(count));
                // Any of them may stop to wait: the one that is next then must be known.
                want.pending = want.pending.map(|n| n + want.numbers.len());
            }
            *needed |= points > 0 || until.is_some() || since.is_some() || activity.is_some();
        }
        let wanted = wants.into_values().filter(|(_, needed)| *needed).map(|(want, _)| want);
        for (owner, lots) in lots::load(tx, wanted.collect()).await? {
            if let Some(open) = self.wallets.get_mut(&owner) {
                lots.into_iter().for_each(|lot| open.state.insert(lot));
            }
        }
        Ok(())
    }

    /// The activity that a request names, if the wallet may have it.
    fn activity_key(&self, request: &Request) -> Option<(Owner, Uuid)> {
        let id = match request.command.activity()? {
            ActivityRef::Id(id) => *id,
            ActivityRef::External(id) => *self.external.get(&(request.owner.clone(), id.clone()))?,
        };
        Some((request.owner.clone(), id))
    }

    /// The wallets of which some request looks back behind where they stand among their tiers, given the
    /// requests before it.
    fn reach_back(&self, requests: &[Request]) -> BTreeSet<Owner> {
        let mut latest: HashMap<&Owner, Time> = HashMap::new();
        let mut reaching = BTreeSet::new();
        for other in requests.iter().filter_map(Request::other) {
            let Some(Open { state, program, .. }) = self.wallets.get(&other) else { continue };
            if Command::Settle.needs_past(&state.wallet, program, Time::MIN, self.now) {
                reaching.insert(other);
            }
        }
        for request in requests {
            let Some(Open { state, program, .. }) = self.wallets.get(&request.owner) else { continue };
            let before = latest.entry(&request.owner).or_insert(Time::MIN);
            if request.command.needs_past(&state.wallet, program, *before, self.now) {
                reaching.insert(request.owner.clone());
            }
            if let Command::RecordActivity(record) = &request.command {
                let now = self.now.max(state.wallet.now);
                let at = record.occurred_at(now);
                // What lies behind the present window takes the wallet past it.
                let reached = if state.wallet.dropped_by(program, at, now) { now } else { at };
                *before = reached.max(*before);
            }
        }
        reaching
    }

    /// True if a rule may ask who the member is.
    fn asks_of_member(&self, request: &Request) -> bool {
        let (Some(open), Command::RecordActivity(record)) =
            (self.wallets.get(&request.owner), &request.command)
        else {
            return false;
        };
        let at = record.occurred_at(self.now.max(open.state.wallet.now));
        open.program.rules_at(at).is_some_and(|set| set.rules.names_member())
    }

    /// The counters of caps that a request may count under.
    fn counter_keys(&self, request: &Request) -> Vec<counters::Key> {
        let Some(open) = self.wallets.get(&request.owner) else { return Vec::new() };
        let now = self.now.max(open.state.wallet.now);
        let mut counters = match &request.command {
            Command::RecordActivity(record) => {
                let at = record.occurred_at(now);
                open.program.rules_at(at).map(|set| set.rules.counters(at)).unwrap_or_default()
            }
            _ => {
                let activity = self.activity_key(request).and_then(|key| self.activities.get(&key));
                activity.map(|activity| activity.pinned.room.clone()).unwrap_or_default()
            }
        };
        let velocity = open.program.velocity_counters(&request.command, now);
        counters.extend(velocity.into_iter().map(|counter| (counter, 0)));
        let key = |counter| counters::Key::new(&request.owner, &open.program.id, counter);
        counters.into_keys().map(key).collect()
    }

    fn reward_key(&self, request: &Request) -> Option<rewards::Key> {
        let Command::RedeemReward(redeem) = &request.command else { return None };
        let program_id = self.wallets.get(&request.owner)?.program.id.clone();
        let tenant = request.owner.tenant().clone();
        Some(rewards::Key { tenant, program_id, reward_id: redeem.reward_id.clone() })
    }

    /// Decides one request on what the ones before it left.
    pub(super) fn decide(&mut self, request: &Request) -> Answer {
        if let Some(Asked { call, .. }) = &request.call
            && let Some(record) = self.recorded.get(&(request.owner.clone(), call.request_id))
        {
            return Answer::Given(replay(call, record));
        }
        let key = self.reward_key(request);
        let Some(open) = self.wallets.get(&request.owner) else { return Answer::NoWallet };
        let reward = key.as_ref().and_then(|key| {
            let reward = self.rewards.get(key)?;
            let stock = self.stock.get(key).map_or(Stock::Unlimited, |left| Stock::Remaining(*left));
            Some((reward.as_ref(), stock))
        });
        let activity_taken = external_id(request).and_then(|id| self.external.get(&id).copied());
        let activity = self.activity_key(request).and_then(|key| self.activities.get(&key));
        let used = self.counters.used(self.counter_keys(request));
        let other = request.other().and_then(|owner| self.wallets.get(&owner)).map(|open| &open.state);
        // The handler has seen it: what cannot be found any more is over.
        let review = review_key(request)
            .map(|key| self.reviews.get(&key).map_or(ReviewState::Rejected, |review| review.state));
        let (program, member) = (&open.program, self.members.get(&request.owner));
        let context =
            Context { program, activity_taken, used: &used, activity, reward, member, other, review };
        // A decision that panics leaves no trace: everything below it works on copies.
        let decided = catch_unwind(AssertUnwindSafe(|| {
            let decision = decide(&open.state, &request.command, context, self.now);
            let written = request.call.as_ref().map(|asked| {
                let wallet = &decision.outcome.wallet;
                (asked.encode)(&Answered { answer: &decision.answer, wallet, program: &open.program })
            });
            (decision, written)
        }));
        let Ok((decision, written)) = decided else {
            tracing::error!(wallet_id = %request.owner.id(), "a decision broke an invariant");
            return Answer::Panicked;
        };
        self.review(request, &decision.answer);
        self.keep(request, key, decision.outcome);
        let written = written.unwrap_or(Written { status: 0, bytes: Vec::new() });
        if let Some(Asked { call, .. }) = &request.call {
            self.record(&request.owner, call, &written);
        }
        Answer::Given(requests::Answer::Written { written, replayed: false })
    }

    /// Lets a command wait, or ends the wait of one.
    fn review(&mut self, request: &Request, answer: &Result<Reply, Refusal>) {
        let (Some(open), Some(asked)) = (self.wallets.get(&request.owner), &request.call) else { return };
        let owner = &request.owner;
        match (answer, review_key(request), &request.decides) {
            (Err(Refusal::ReviewRequired { limit_id }), None, _) => {
                let (program_id, limit_id) = (open.program.id.clone(), limit_id.clone());
                let review = Review::opened(asked.call.request_id, program_id, limit_id, self.now);
                self.reviews.insert((owner.clone(), review.id), review.clone());
                self.changes.park(owner, review);
            }
            (Ok(_), Some(key), Some(decides)) => {
                let Some(review) = self.reviews.get_mut(&key) else { return };
                review.state = match request.command {
                    Command::RejectReview => ReviewState::Rejected,
                    _ => ReviewState::Approved,
                };
                (review.decided_by, review.note) = (decides.by.clone(), decides.note.clone());
                review.decide_time = self.now;
                self.changes.review(owner, review.clone());
            }
            _ => {}
        }
    }

    /// Keeps what a command changed, of the second wallet first.
    fn keep(&mut self, request: &Request, reward: Option<rewards::Key>, mut outcome: Outcome) {
        if let (Some(owner), Some(other)) = (request.other(), outcome.other.take()) {
            self.keep_wallet(&owner, request, None, *other);
        }
        self.keep_wallet(&request.owner, request, reward, outcome);
    }

    fn keep_wallet(
        &mut self,
        owner: &Owner,
        request: &Request,
        reward: Option<rewards::Key>,
        mut outcome: Outcome,
    ) {
        let Some(open) = self.wallets.get_mut(owner) else { return };
        if outcome.wallet == open.state.wallet {
            return;
        }
        let (wallet, program) = (&mut outcome.wallet, &open.program);
        let events =
            announce::events(owner, program, &request.traceparent, wallet, &outcome.events, |last| {
                events::next_order_key(self.machine_now_micros, last)
            });
        self.changes.announce(owner, outcome.wallet.now, events);
        if let Some(key) = reward
            && let Some(left) = self.stock.get_mut(&key)
        {
            *left = left.saturating_sub(outcome.stock_taken);
            self.changes.take_stock(key, outcome.stock_taken);
        }
        for (counter, points) in &outcome.counted {
            let key = counters::Key::new(owner, &open.program.id, counter.clone());
            self.counters.add(key, *points);
        }
        if let Some(activity) = &outcome.recorded
            && !activity.external_id.is_empty()
        {
            self.external.insert((owner.clone(), activity.external_id.clone()), activity.id);
        }
        for activity in outcome.recorded.iter().chain(&outcome.changed) {
            self.activities.insert((owner.clone(), activity.id), activity.clone());
        }
        let request_id = request.call.as_ref().map_or(Uuid::nil(), |asked| asked.call.request_id);
        self.changes.add(owner, request_id, &open.state.wallet, &outcome);
        open.state.evolve(&outcome);
        open.changed = true;
    }

    fn record(&mut self, owner: &Owner, call: &Call, written: &Written) {
        let record = call.record(written, self.now);
        if self.repeated {
            self.recorded.insert((owner.clone(), call.request_id), record.clone());
        }
        self.changes.record(owner, record);
    }

    /// What is to be written, and the wallets that changed.
    pub(super) fn finish(mut self) -> (Changes, Vec<(Owner, Wallet, Arc<Program>)>) {
        let changed = self.wallets.into_iter().filter(|(_, open)| open.changed);
        let wallets = changed.map(|(owner, open)| (owner, open.state.wallet, open.program)).collect();
        self.changes.count(self.counters);
        (self.changes, wallets)
    }
}

fn review_key(request: &Request) -> Option<(Owner, Uuid)> {
    Some((request.owner.clone(), request.decides.as_ref()?.review_id))
}

async fn open(
    tx: &Tx,
    catalogue: &Catalogue,
    locked: HashMap<Owner, Locked>,
) -> Result<HashMap<Owner, Open>, db::Error> {
    let mut wallets = HashMap::with_capacity(locked.len());
    for (owner, Locked { wallet, program_version }) in locked {
        let found = catalogue.program_since(tx, owner.tenant(), &wallet.program_id, program_version).await?;
        let missing = || db::Error::Damaged(format!("wallet {} has no program", owner.id()));
        let program = found.ok_or_else(missing)?;
        wallets.insert(owner, Open { state: State::new(wallet), program, changed: false });
    }
    Ok(wallets)
}

impl Open {
    /// Nothing but what is due.
    fn want(&self, owner: &Owner, now: Time) -> lots::Want {
        let pending = (self.state.wallet.totals.pending > 0).then_some(0);
        lots::Want { pending, ..lots::Want::due(owner, &self.state.wallet, now.max(self.state.wallet.now)) }
    }
}

/// The caller's own key of the activity that a request records or names.
fn external_id(request: &Request) -> Option<(Owner, String)> {
    let id = match (&request.command, request.command.activity()) {
        (Command::RecordActivity(record), _) => &record.external_id,
        (_, Some(ActivityRef::External(id))) => id,
        _ => return None,
    };
    (!id.is_empty()).then(|| (request.owner.clone(), id.clone()))
}
