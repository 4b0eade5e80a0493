//! Loads what a batch of commands is decided on: of every table what all of them need, with one statement.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use ambient::Time;
use db::{Pick, Tx};
use uuid::Uuid;

use super::batch::{Batch, Open};
use super::known::{Known, external_key};
use super::{Catalogue, Request};
use crate::domain::rules::Counter;
use crate::domain::{ActivityRef, Command, Points, Redemption, State, Supply};
use crate::store::counters::{self, Counters};
use crate::store::wallets::Versioned;
use crate::store::{Changes, Owner, activities, lots, members, moves, redemptions, reviews, rewards, tiers};

/// Holds that are over and looked at for one reward: more than anybody may ask for, or can.
const OVERDUE_MAX: u64 = 2_000;

impl Batch {
    /// Loads what the requests need, given their locked wallets.
    pub(super) async fn load(
        tx: &Tx,
        catalogue: &Catalogue,
        requests: &[Request],
        (locked, known): (HashMap<Owner, Versioned>, Known),
        now: Time,
    ) -> Result<Batch, db::Error> {
        let mut batch = Batch {
            now,
            machine_now_micros: events::machine_now_micros(),
            paired: paired(requests, &locked),
            wallets: open(tx, catalogue, locked).await?,
            known,
            activities: HashMap::new(),
            redemptions: HashMap::new(),
            redeemed_as: HashMap::new(),
            reviews: reviews::find(tx, &requests.iter().filter_map(review_key).collect::<Vec<_>>()).await?,
            members: HashMap::new(),
            belongings: HashMap::new(),
            counters: Counters::default(),
            rewards: HashMap::new(),
            stock: HashMap::new(),
            overdue: HashMap::new(),
            codes: HashMap::new(),
            changes: Changes::default(),
        };
        batch.load_activities(tx, catalogue, requests).await?;
        batch.load_redemptions(tx, requests).await?;
        batch.load_redeemers(tx, requests).await?;
        batch.load_rewards(tx, catalogue, requests).await?;
        batch.load_grants(tx, requests).await?;
        batch.lock_stock(tx, requests).await?;
        batch.load_belongings(tx, requests).await?;
        batch.load_lots(tx, requests).await?;
        batch.load_origins(tx).await?;
        Ok(batch)
    }

    /// Up to which moment a wallet may be settled.
    fn now_of(&self, owner: &Owner) -> Time {
        let (paired, moments) = &self.paired;
        let latest = moments.last().filter(|_| paired.contains(owner));
        latest.map_or(self.now, |latest| self.now.max(*latest))
    }

    /// The moments at which something may be decided about a wallet: a second wallet, of the same request or
    /// of one before it, may be ahead in time.
    fn moments(&self, owner: &Owner, open: &Open) -> BTreeSet<Time> {
        let (paired, moments) = &self.paired;
        let others = moments.iter().filter(|_| paired.contains(owner));
        let earliest = self.now.max(open.state.wallet.now);
        [earliest].into_iter().chain(others.map(|moment| earliest.max(*moment))).collect()
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

    /// Loads what decisions depend on beside the wallet: tiers of the past, members, and counters.
    async fn load_grants(&mut self, tx: &Tx, requests: &[Request]) -> Result<(), db::Error> {
        for (owner, past) in tiers::pasts(tx, &self.reach_back(requests)).await? {
            if let Some(open) = self.wallets.get_mut(&owner) {
                open.state.past = Some(past);
            }
        }
        let asked_of: BTreeSet<&Owner> =
            requests.iter().filter(|r| self.asks_of_member(r)).map(|r| &r.owner).collect();
        self.members = members::find_many(tx, &asked_of.into_iter().cloned().collect::<Vec<_>>()).await?;
        let limited = self.limited(requests);
        let of_requests = requests.iter().flat_map(|r| self.counter_keys(r));
        let counters = of_requests.chain(limited.iter().map(|(_, key)| key.clone())).collect();
        self.counters = Counters::lock(tx, &counters).await?;
        for (owner, key) in limited {
            if let Some(open) = self.wallets.get_mut(&owner) {
                open.state.counted.extend(self.counters.used(vec![key]));
            }
        }
        Ok(())
    }

    /// Loads redemptions that are named, and the open holds of wallets where one is due or is to be resolved.
    async fn load_redemptions(&mut self, tx: &Tx, requests: &[Request]) -> Result<(), db::Error> {
        let named: BTreeSet<(Owner, Uuid)> = requests.iter().filter_map(redemption_key).collect();
        self.redemptions = redemptions::find(tx, &named.into_iter().collect::<Vec<_>>()).await?;
        let asking = requests.iter().filter(|request| request.command.needs_holds());
        let mut holding: BTreeSet<Owner> = asking.map(|request| request.acts_on().clone()).collect();
        holding.retain(|owner| {
            self.wallets.get(owner).is_some_and(|open| !open.state.wallet.next_hold.is_never())
        });
        let due = self.wallets.iter().filter(|(owner, open)| {
            open.state.wallet.next_hold <= self.now_of(owner).max(open.state.wallet.now)
        });
        holding.extend(due.map(|(owner, _)| owner.clone()));
        for (owner, hold) in redemptions::open_holds(tx, &holding.into_iter().collect::<Vec<_>>()).await? {
            if let Some(open) = self.wallets.get_mut(&owner) {
                open.state.hold([hold]);
            }
        }
        Ok(())
    }

    async fn load_rewards(
        &mut self,
        tx: &Tx,
        catalogue: &Catalogue,
        requests: &[Request],
    ) -> Result<(), db::Error> {
        for request in requests {
            let (Some(key), Some(open)) = (self.reward_key(request), self.wallets.get(request.acts_on()))
            else {
                continue;
            };
            let version = open.program.version;
            if let Some(reward) = catalogue.reward(tx, &key, version).await? {
                self.rewards.insert(key, reward);
            }
        }
        Ok(())
    }

    /// Locks the stock of all that is redeemed, or may go back, and reads the codes that may be handed out.
    async fn lock_stock(&mut self, tx: &Tx, requests: &[Request]) -> Result<(), db::Error> {
        let offered = self.rewards.iter().filter(|(_, reward)| reward.supply != Supply::Unlimited);
        let mut counted: BTreeSet<rewards::Key> = offered.map(|(key, _)| key.clone()).collect();
        for (owner, open) in &self.wallets {
            let holds = open.state.holds.values().filter(|hold| hold.supply != Supply::Unlimited);
            counted.extend(holds.map(|hold| pool(owner, hold)));
        }
        let counted: Vec<rewards::Key> = counted.into_iter().collect();
        let stock = rewards::stock(tx, &counted, Pick::Locked).await?;
        let mut wanted: BTreeMap<rewards::Key, i64> = BTreeMap::new();
        for request in requests {
            let Some(key) = self.pool_key(request) else { continue };
            let units = match request.command.redeems() {
                Some(what) => what.quantity,
                None => self.named_redemption(request).map_or(0, |redemption| redemption.quantity),
            };
            *wanted.entry(key).or_default() += units;
        }
        for (key, units) in wanted {
            let Some(counted) = stock.get(&key) else { continue };
            let codes = rewards::codes(tx, &key, counted.codes_out, units.unsigned_abs()).await?;
            self.codes.insert(key, codes);
        }
        self.stock = stock.into_iter().map(|(key, counted)| (key, counted.remaining)).collect();
        self.find_overdue(tx, requests).await
    }

    /// Finds holds that are over of rewards of which more is asked for than there is.
    async fn find_overdue(&mut self, tx: &Tx, requests: &[Request]) -> Result<(), db::Error> {
        let mut missing: BTreeMap<rewards::Key, i64> = BTreeMap::new();
        for request in requests {
            let (Some(key), Some(what)) = (self.reward_key(request), request.command.redeems()) else {
                continue;
            };
            let Some(left) = self.stock.get(&key) else { continue };
            *missing.entry(key).or_insert(-left) += what.quantity;
        }
        let first: HashSet<&Owner> = requests.iter().flat_map(|request| &request.route.settle).collect();
        for (key, missing) in missing.into_iter().filter(|(_, missing)| *missing > 0) {
            let limit = missing.unsigned_abs().saturating_add(first.len() as u64).min(OVERDUE_MAX);
            let mut found = redemptions::overdue(tx, &key, self.now, limit).await?;
            // What is settled first gives back what it can.
            found.retain(|(owner, _)| !first.contains(owner));
            self.overdue.insert(key, found);
        }
        Ok(())
    }

    /// The pool of which a request may hand out codes.
    pub(super) fn pool_key(&self, request: &Request) -> Option<rewards::Key> {
        let redeemed = self
            .reward_key(request)
            .filter(|key| self.rewards.get(key).is_some_and(|reward| reward.supply == Supply::Codes));
        let captured = || {
            let of_codes = |redemption: &&Redemption| redemption.supply == Supply::Codes;
            let captures = matches!(request.command, Command::CaptureRedemption(_));
            let redemption = self.named_redemption(request).filter(|_| captures).filter(of_codes)?;
            Some(pool(request.acts_on(), redemption))
        };
        redeemed.or_else(captured)
    }

    /// The redemption of before that a request names.
    pub(super) fn named_redemption(&self, request: &Request) -> Option<&Redemption> {
        self.redemptions.get(&redemption_key(request)?)
    }

    async fn load_belongings(&mut self, tx: &Tx, requests: &[Request]) -> Result<(), db::Error> {
        let mut moved = BTreeSet::new();
        for request in requests {
            // One move of a wallet at a time: those after the first are decided in batches of their own.
            if let Command::MoveMember(command) = &request.command
                && self.wallets.contains_key(request.acts_on())
                && !request.wallets().any(|owner| moved.contains(&owner))
            {
                moved.extend(request.wallets());
                let found = moves::belongings(tx, request.acts_on(), command).await?;
                self.belongings.insert((request.acts_on().clone(), command.member_id), found);
            }
        }
        Ok(())
    }

    async fn load_lots(&mut self, tx: &Tx, requests: &[Request]) -> Result<(), db::Error> {
        let mut wants: BTreeMap<&Owner, (lots::Want, bool)> = BTreeMap::new();
        let others: Vec<_> =
            requests.iter().filter_map(|r| Some((r.other()?, self.debt_that_moves(r)))).collect();
        for (owner, debt) in &others {
            // A second wallet needs what is due, and what pays for a debt that comes.
            let Some(open) = self.wallets.get(owner) else { continue };
            let nothing = || (open.want(owner, self.now_of(owner)), false);
            let (want, needed) = wants.entry(owner).or_insert_with(nothing);
            *needed |= want.cover(debt) || open.state.has_due(self.now_of(owner));
        }
        for request in requests {
            let Some(open) = self.wallets.get(request.acts_on()) else { continue };
            let reward = self.reward_key(request).and_then(|key| self.rewards.get(&key));
            let activity = self.activity_key(request).and_then(|key| self.activities.get(&key));
            let now = self.now_of(request.acts_on());
            let nothing = || (open.want(request.acts_on(), now), false);
            let (want, needed) = wants.entry(request.acts_on()).or_insert_with(nothing);
            let debits = request.command.debit_max(&open.program, activity, reward.map(AsRef::as_ref));
            *needed |= want.cover(&debits);
            let until = request.command.lots_until(&open.state, &open.program, now);
            want.due_until = want.due_until.max(until.unwrap_or(want.due_until));
            let since = request.command.expired_since();
            want.expired_since = since.into_iter().chain(want.expired_since).min();
            if let Some(activity) = activity {
                want.numbers.extend(activity.lot_numbers());
                want.activities.push(activity.id);
                // One lot of each purse may stop to wait: the one that is next then must be known.
                want.pending = want.pending.map(|n| n + activity.earned.len());
            }
            let named = self.named_redemption(request);
            want.numbers.extend(named.into_iter().flat_map(Redemption::own_lots));
            *needed |= until.is_some();
        }
        for (owner, (want, needed)) in &mut wants {
            let holds = self.wallets.get(*owner).into_iter().flat_map(|open| open.state.holds.values());
            want.numbers.extend(holds.flat_map(Redemption::own_lots));
            *needed |= !want.numbers.is_empty();
            want.numbers.sort_unstable();
            want.numbers.dedup();
            want.activities.sort_unstable();
            want.activities.dedup();
        }
        let wanted = wants.into_values().filter(|(_, needed)| *needed).map(|(want, _)| want);
        let wanted: Vec<lots::Want> = wanted.collect();
        for want in &wanted {
            if let Some(open) = self.wallets.get_mut(&want.owner) {
                open.state.lots_until = want.due_until;
            }
        }
        for (owner, lots) in lots::load(tx, wanted).await? {
            if let Some(open) = self.wallets.get_mut(&owner) {
                lots.into_iter().for_each(|lot| open.state.insert(lot));
            }
        }
        Ok(())
    }

    /// The activity that a request names, if the wallet may have it.
    pub(super) fn activity_key(&self, request: &Request) -> Option<(Owner, Uuid)> {
        let id = match request.command.activity()? {
            ActivityRef::Id(id) => *id,
            ActivityRef::External(_) => *self.known.external.get(&external_key(request)?)?,
        };
        Some((request.acts_on().clone(), id))
    }

    /// The wallets of which some request looks back behind where they stand among their tiers, given the
    /// requests before it.
    fn reach_back(&self, requests: &[Request]) -> BTreeSet<Owner> {
        let mut latest: HashMap<&Owner, Time> = HashMap::new();
        let mut reaching = BTreeSet::new();
        for request in requests {
            let Some(other) = request.other() else { continue };
            let Some(Open { state, program, .. }) = self.wallets.get(&other) else { continue };
            let moves = matches!(request.command, Command::MoveMember(_));
            let now = self.now_of(&other);
            if moves || Command::Settle.needs_past(&state.wallet, program, Time::MIN, now) {
                reaching.insert(other);
            }
        }
        for request in requests {
            let Some(Open { state, program, .. }) = self.wallets.get(request.acts_on()) else { continue };
            let before = latest.entry(request.acts_on()).or_insert(Time::MIN);
            let now = self.now_of(request.acts_on());
            if request.command.needs_past(&state.wallet, program, *before, now) {
                reaching.insert(request.acts_on().clone());
            }
            if let Command::RecordActivity(record) = &request.command {
                let now = now.max(state.wallet.now);
                let at = record.occurred_at(now);
                // What lies behind the present window takes the wallet past it.
                let reached = if state.wallet.dropped_by(program, at, now) { now } else { at };
                *before = reached.max(*before);
            }
        }
        reaching
    }

    /// True if a rule or a reward may ask who the member is.
    fn asks_of_member(&self, request: &Request) -> bool {
        if let Some(reward) = self.reward_key(request).and_then(|key| self.rewards.get(&key)) {
            return reward.names_member();
        }
        let (Some(open), Command::RecordActivity(record)) =
            (self.wallets.get(request.acts_on()), &request.command)
        else {
            return false;
        };
        let mut sets = self
            .moments(request.acts_on(), open)
            .into_iter()
            .filter_map(|now| open.program.rules_at(record.occurred_at(now)));
        sets.any(|set| set.rules.names_member())
    }

    /// The counters of caps that a request may count under.
    pub(super) fn counter_keys(&self, request: &Request) -> Vec<counters::Key> {
        let Some(open) = self.wallets.get(request.acts_on()) else { return Vec::new() };
        let mut counters: BTreeSet<Counter> = BTreeSet::new();
        for now in self.moments(request.acts_on(), open) {
            if let Command::RecordActivity(record) = &request.command {
                let at = record.occurred_at(now);
                let set = open.program.rules_at(at);
                counters.extend(set.map(|set| set.rules.counters(at)).unwrap_or_default().into_keys());
            }
            counters.extend(open.program.velocity_counters(&request.command, now));
        }
        let activity = self.activity_key(request).and_then(|key| self.activities.get(&key));
        counters.extend(activity.map(|activity| activity.counters(&open.program)).unwrap_or_default());
        let key = |counter| counters::Key::new(request.acts_on(), &open.program.id, counter);
        counters.into_iter().map(key).collect()
    }

    /// What units of rewards count under that are held or redeemed, by the wallets that have them.
    fn limited(&self, requests: &[Request]) -> Vec<(Owner, counters::Key)> {
        let held = self.wallets.iter().flat_map(|(owner, open)| {
            let counters = open.state.holds.values().filter_map(|hold| hold.counter(&open.program));
            counters.map(move |counter| (owner, open, counter))
        });
        let redeemed = requests.iter().filter_map(|request| {
            let open = self.wallets.get(request.acts_on())?;
            let reward = self.rewards.get(&self.reward_key(request)?)?;
            let counters = self.moments(request.acts_on(), open).into_iter();
            let counters = counters.filter_map(|now| reward.counter(&open.program, now));
            Some(counters.map(move |counter| (request.acts_on(), open, counter)))
        });
        let keyed = held.chain(redeemed.flatten()).map(|(owner, open, counter)| {
            (owner.clone(), counters::Key::new(owner, &open.program.id, counter))
        });
        keyed.collect()
    }

    pub(super) fn reward_key(&self, request: &Request) -> Option<rewards::Key> {
        let what = request.command.redeems()?;
        let program = &self.wallets.get(request.acts_on())?.program;
        Some(rewards::Key::new(request.owner.tenant(), &program.id, &what.reward_id))
    }

    /// What is owed by the wallet that a member leaves as a whole.
    fn debt_that_moves(&self, request: &Request) -> Points {
        let open = self.wallets.get(request.acts_on());
        let moves = matches!(request.command, Command::MoveMember(_));
        let purses = open.filter(|_| moves).into_iter().flat_map(|open| open.state.wallet.numbered());
        purses.map(|(number, purse)| (number, purse.totals.arrears)).collect()
    }
}

fn pool(owner: &Owner, redemption: &Redemption) -> rewards::Key {
    rewards::Key::new(owner.tenant(), &redemption.program_id, &redemption.reward_id)
}

/// The id of the redemption of before that a request names.
pub(super) fn redemption_key(request: &Request) -> Option<(Owner, Uuid)> {
    Some((request.acts_on().clone(), request.command.redemption()?))
}

pub(super) fn review_key(request: &Request) -> Option<(Owner, Uuid)> {
    Some((request.owner.clone(), request.decides.as_ref()?.review_id))
}

/// Two wallets that are named together are settled at the later of their moments, and so may be the next that
/// is named together with one of them.
fn paired(requests: &[Request], locked: &HashMap<Owner, Versioned>) -> (HashSet<Owner>, BTreeSet<Time>) {
    let together = requests.iter().filter(|request| request.other().is_some());
    let owners: HashSet<Owner> = together.flat_map(Request::wallets).collect();
    let moments = owners.iter().filter_map(|owner| locked.get(owner)).map(|found| found.wallet.now).collect();
    (owners, moments)
}

async fn open(
    tx: &Tx,
    catalogue: &Catalogue,
    locked: HashMap<Owner, Versioned>,
) -> Result<HashMap<Owner, Open>, db::Error> {
    let mut wallets = HashMap::with_capacity(locked.len());
    for (owner, found) in locked {
        let program = catalogue.of_wallet(tx, owner.tenant(), &found).await?;
        let missing = || db::Error::Damaged(format!("wallet {} has no program", owner.id()));
        let program = program.ok_or_else(missing)?;
        wallets.insert(
            owner,
            Open { state: State::new(found.wallet), program, changed: false, moved: false, named: false },
        );
    }
    Ok(wallets)
}

impl Open {
    /// Nothing but what is due.
    fn want(&self, owner: &Owner, now: Time) -> lots::Want {
        let pending = self.state.wallet.purses.iter().any(|purse| purse.totals.pending > 0).then_some(0);
        lots::Want { pending, ..lots::Want::due(owner, &self.state.wallet, now.max(self.state.wallet.now)) }
    }
}
