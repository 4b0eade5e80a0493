//! A batch of commands: decided one after the other, and the changes they leave.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ambient::Time;
use requests::{Call, Written, replay};
use uuid::Uuid;

use super::known::{Known, external_key};
use super::load::{redemption_key, review_key};
use super::{Answer, Answered, Asked, Request, Route, Together, announce};
use crate::domain::{
    Activity, Belongings, Command, Context, Decision, Member, MemberState, Outcome, Program, Redemption,
    Refusal, Reply, Review, ReviewState, Reward, State, Stock, Wallet, decide, shares_as,
};
use crate::store::counters::{self, Counters};
use crate::store::{Changes, Owner, rewards};

pub(super) struct Batch {
    pub(super) now: Time,
    pub(super) machine_now_micros: i64,
    pub(super) wallets: HashMap<Owner, Open>,
    /// Wallets that are named together, and the moments up to which they are settled: any of them may be
    /// settled up to the last.
    pub(super) paired: (HashSet<Owner>, BTreeSet<Time>),
    pub(super) known: Known,
    pub(super) activities: HashMap<(Owner, Uuid), Activity>,
    pub(super) redemptions: HashMap<(Owner, Uuid), Redemption>,
    /// The members of households into whom others were merged, by these, as far as it matters.
    pub(super) redeemed_as: HashMap<Owner, Uuid>,
    pub(super) reviews: HashMap<(Owner, Uuid), Review>,
    pub(super) members: HashMap<Owner, Member>,
    /// Of members who move, by the wallets that they are to be in.
    pub(super) belongings: HashMap<(Owner, Uuid), Belongings>,
    pub(super) counters: Counters,
    pub(super) rewards: HashMap<rewards::Key, Arc<Reward>>,
    pub(super) stock: HashMap<rewards::Key, i64>,
    /// Wallets whose holds are over, with the units that go back, of rewards of which there are too few.
    pub(super) overdue: HashMap<rewards::Key, Vec<(Owner, i64)>>,
    /// The next codes of pools, as many as the requests may hand out.
    pub(super) codes: HashMap<rewards::Key, Vec<String>>,
    pub(super) changes: Changes,
}

pub(super) struct Open {
    pub(super) state: State,
    pub(super) program: Arc<Program>,
    pub(super) changed: bool,
    /// A member came or left in this batch: what is loaded of it is not true any more.
    pub(super) moved: bool,
    /// A request of this batch that names it was decided.
    pub(super) named: bool,
}

impl Batch {
    /// Decides requests in their order. Of those sent together what must not be done leaves no trace.
    pub(super) fn decide_all(&mut self, requests: &[Request], together: Option<Together>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            let answer = self.decide(request, together != Some(Together::AllOrNothing));
            let ends = together.is_some() && answer.is_refusal();
            if let (Some(_), Answer::Again(route)) = (together, &answer) {
                self.forget();
                let again =
                    |request: &Request| self.elsewhere(request).unwrap_or_else(|| request.route.clone());
                let mut routes: Vec<Route> = requests.iter().map(again).collect();
                routes[answers.len()] = route.clone();
                return routes.into_iter().map(Answer::Again).collect();
            }
            answers.push(answer);
            if ends {
                break;
            }
        }
        let refused = answers.len().saturating_sub(1);
        if together == Some(Together::AllOrNothing) && answers.last().is_some_and(Answer::is_refusal) {
            self.forget();
            answers[..refused].fill(Answer::NotDone(refused));
        }
        answers.resize(requests.len(), Answer::NotDone(refused));
        answers
    }

    /// Leaves everything as it was.
    fn forget(&mut self) {
        self.changes = Changes::default();
        self.wallets.values_mut().for_each(|open| open.changed = false);
    }

    /// Decides one request on what the ones before it left. Unless it `may_wait` for a review, it is refused.
    fn decide(&mut self, request: &Request, may_wait: bool) -> Answer {
        if let Some(Asked { call, .. }) = &request.call
            && let Some(record) = self.known.recorded.get(&(request.owner.clone(), call.request_id))
        {
            return Answer::Given(replay(call, record));
        }
        if !self.wallets.contains_key(&request.owner) {
            return Answer::NoWallet;
        }
        if let Some(route) = self.elsewhere(request) {
            return Answer::Again(route);
        }
        let pool = self.pool_key(request).and_then(|key| self.codes.get(&key));
        let Some(open) = self.wallets.get(request.acts_on()) else { return Answer::NoWallet };
        let activity_taken = external_key(request).and_then(|key| self.known.external.get(&key).copied());
        let activity = self.activity_key(request).and_then(|key| self.activities.get(&key));
        let redemption = redemption_key(request).and_then(|key| self.redemptions.get(&key));
        let used = self.counters.used(self.counter_keys(request));
        let other = request.other().and_then(|owner| self.wallets.get(&owner)).map(|open| &open.state);
        let key = review_key(request);
        let review = key.as_ref().and_then(|key| self.reviews.get(key));
        if key.is_some() && review.is_none() {
            return Answer::NoWallet;
        }
        let (program, member) = (&open.program, self.members.get(&request.owner));
        let named = self.wallets.get(&request.owner).filter(|_| request.acts_on() != &request.owner);
        let named = named.map(|open| &open.state.wallet);
        let belongings = self.belongings_of(request);
        let context = Context {
            program,
            activity_taken,
            used: &used,
            activity,
            redemption,
            reward: self.offered(request),
            codes: pool.map_or(&[], Vec::as_slice),
            member,
            other,
            named,
            shares_as: self.shares_as(&request.owner, &request.route.own),
            other_shares_as: request
                .other_named()
                .and_then(|named| self.shares_as(&named, &request.route.other)),
            redeemed_as: self.redeemed_as(request),
            belongings,
            review,
        };
        let Some((decision, written)) = guarded(open, request, context, (self.now, may_wait)) else {
            tracing::error!(wallet_id = %request.owner.id(), "a decision broke an invariant");
            return Answer::Panicked;
        };
        if let Some(route) = self.after_others(request, &decision.answer) {
            return Answer::Again(route);
        }
        self.name(request);
        self.review(request, &decision.answer);
        // What is asked of whom nothing may be known is answered the same for ever, but for a review's end.
        let is_erased = |open: &Open| open.state.wallet.state == MemberState::Erased;
        let mut asked_of = request.wallets().filter_map(|owner| self.wallets.get(&owner));
        let is_forgotten = asked_of.any(is_erased) && !matches!(request.command, Command::RejectReview);
        self.keep(request, decision.outcome);
        let written = Written { is_forgotten, ..written.unwrap_or_default() };
        if let Some(Asked { call, .. }) = &request.call {
            self.record(&request.owner, call, &written);
        }
        Answer::Given(requests::Answer::Written { written, replayed: false })
    }

    /// Takes note of the wallets of a request that was decided.
    fn name(&mut self, request: &Request) {
        for owner in request.wallets() {
            if let Some(open) = self.wallets.get_mut(&owner) {
                open.named = true;
            }
        }
    }

    /// The reward that a request redeems, with what the requests before it left of its stock.
    fn offered(&self, request: &Request) -> Option<(&Reward, Stock)> {
        let key = self.reward_key(request)?;
        let stock = self.stock.get(&key).map_or(Stock::Unlimited, |left| Stock::Remaining(*left));
        Some((self.rewards.get(&key)?.as_ref(), stock))
    }

    /// The route of a request that cannot be decided in this batch: its points are elsewhere, a member comes
    /// or leaves, or one is erased of whom there is something in this batch.
    fn elsewhere(&self, request: &Request) -> Option<Route> {
        let route = request.true_route(|owner| self.wallets.get(owner).map(|open| &open.state.wallet));
        let moves = matches!(request.command, Command::MoveMember(_));
        // What an erasure forgets must have been written.
        let erases = request.command.erases();
        let is_named = |open: &Open| open.named && open.state.wallet.state != MemberState::Erased;
        let waits = |open: &Open| open.moved || (moves && open.changed) || (erases && is_named(open));
        let waits = request.wallets().filter_map(|owner| self.wallets.get(&owner)).any(waits);
        let waits = waits || (moves && self.belongings_of(request).is_none());
        (waits || route != request.route).then_some(route)
    }

    /// The route of a request that would find enough units if others were settled whose holds are over.
    fn after_others(&mut self, request: &Request, answer: &Result<Reply, Refusal>) -> Option<Route> {
        let Err(Refusal::OutOfStock { remaining, .. }) = answer else { return None };
        let missing = request.command.redeems()?.quantity.saturating_sub(*remaining);
        let overdue = self.overdue.get_mut(&self.reward_key(request)?)?;
        let mut sums = overdue.iter().scan(0_i64, |sum, (_, units)| {
            *sum = sum.saturating_add(*units);
            Some(*sum)
        });
        let last = sums.position(|sum| sum >= missing)?;
        let settle = overdue.drain(..=last).map(|(owner, _)| owner);
        let mut route = request.route.clone();
        route.settle.extend(settle);
        Some(route)
    }

    /// What belongs to the member who is to move.
    fn belongings_of(&self, request: &Request) -> Option<&Belongings> {
        let Command::MoveMember(command) = &request.command else { return None };
        self.belongings.get(&(request.acts_on().clone(), command.member_id))
    }

    /// The wallet, on the way from the one that is named, of a member of a household.
    pub(super) fn shares_as(&self, named: &Owner, way: &[Owner]) -> Option<&Wallet> {
        let wallets = [named].into_iter().chain(way).filter_map(|owner| self.wallets.get(owner));
        shares_as(wallets.map(|open| &open.state.wallet))
    }

    /// Lets a command wait, or ends the wait of one.
    fn review(&mut self, request: &Request, answer: &Result<Reply, Refusal>) {
        let (Some(open), Some(asked)) = (self.wallets.get(&request.owner), &request.call) else { return };
        let owner = &request.owner;
        match (answer, review_key(request), &request.decides) {
            (Err(Refusal::ReviewRequired { limit_id, asked: what }), None, _) => {
                let (program_id, why) = (open.program.id.clone(), (limit_id.clone(), what.clone()));
                let review = Review::opened(asked.call.request_id, program_id, why, self.now);
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
    fn keep(&mut self, request: &Request, mut outcome: Outcome) {
        if let (Some(owner), Some(other)) = (request.other(), outcome.other.take()) {
            self.keep_wallet(&owner, request, *other);
        }
        let (handed_over, now) = (outcome.handed_over.take(), outcome.wallet.now);
        self.keep_wallet(request.acts_on(), request, outcome);
        if let (Command::MoveMember(command), Some(rows), Some(other)) =
            (&request.command, handed_over, request.other())
        {
            self.changes.move_member((request.acts_on(), &other), command, rows, now);
            for owner in request.wallets() {
                self.wallets.entry(owner).and_modify(|open| open.moved = true);
            }
        }
    }

    fn keep_wallet(&mut self, owner: &Owner, request: &Request, mut outcome: Outcome) {
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
        for (reward_id, taken) in &outcome.stock {
            let key = rewards::Key::new(owner.tenant(), &program.id, reward_id);
            self.stock.entry(key.clone()).and_modify(|left| *left = left.saturating_sub(*taken));
            self.changes.take_stock(key, *taken);
        }
        if let Some((reward_id, codes)) = &outcome.handed_out {
            let key = rewards::Key::new(owner.tenant(), &program.id, reward_id);
            self.codes.entry(key.clone()).and_modify(|pool| drop(pool.drain(..*codes)));
            self.changes.hand_out(key, *codes);
        }
        for ((counter, member_id), points) in &outcome.counted {
            let key = counters::Key::new(owner, &open.program.id, counter.clone());
            self.counters.add(&key, *member_id, *points);
        }
        if let Some(activity) = &outcome.recorded
            && !activity.external_id.is_empty()
        {
            let key = (owner.clone(), activity.member_id, activity.external_id.clone());
            self.known.external.insert(key, activity.id);
        }
        for activity in outcome.recorded.iter().chain(outcome.changed.values()) {
            self.activities.insert((owner.clone(), activity.id), activity.clone());
        }
        for redemption in outcome.redemption.iter().chain(outcome.resolved.values()) {
            self.redemptions.insert((owner.clone(), redemption.id), redemption.clone());
        }
        // What was approved was asked for by the request that waited.
        let waited = request.decides.as_ref().map(|decides| decides.review_id);
        let asked = waited.or(request.call.as_ref().map(|asked| asked.call.request_id));
        let request_id = asked.unwrap_or_default();
        self.changes.add(owner, request_id, &open.state.wallet, &outcome);
        open.state.evolve(&outcome);
        open.changed = true;
    }

    fn record(&mut self, owner: &Owner, call: &Call, written: &Written) {
        let Some(record) = call.record(written, self.now) else { return };
        if self.known.repeated {
            self.known.recorded.insert((owner.clone(), call.request_id), record.clone());
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

/// Decides, and encodes the answer. A decision that panics leaves no trace: everything below it works on
/// copies.
fn guarded(
    open: &Open,
    request: &Request,
    context: Context<'_>,
    (now, may_wait): (Time, bool),
) -> Option<(Decision, Option<Written>)> {
    let decided = catch_unwind(AssertUnwindSafe(|| {
        let decision = decide(&open.state, &request.command, context, now);
        let decision = if may_wait { decision } else { decision.at_once() };
        let written = request.call.as_ref().map(|asked| {
            let wallet = answering(&request.command, &decision.outcome);
            let (answer, program, command) = (&decision.answer, &*open.program, &request.command);
            (asked.encode)(&Answered { answer, wallet, program, command })
        });
        (decision, written)
    }));
    decided.ok()
}

/// The wallet that an answer tells of: that which has the points now.
fn answering<'a>(command: &Command, outcome: &'a Outcome) -> &'a Wallet {
    match (command, &outcome.other) {
        (Command::MoveMember(_), Some(other)) => &other.wallet,
        _ => &outcome.wallet,
    }
}
