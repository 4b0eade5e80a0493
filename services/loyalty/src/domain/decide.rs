//! One decision: settle, then one command.

use std::collections::BTreeMap;

use ambient::Time;
use uuid::Uuid;

use super::book::{Book, Outcome};
use super::rules::Counter;
use super::{
    Activity, ActivityRef, AdjustPoints, Belongings, CancelActivity, ChangeState, ConfirmActivity,
    ExtendExpiry, HouseholdRole, Lot, LotKey, Member, MemberState, MoveMember, Past, Points, Program,
    RecordActivity, RedeemReward, Redemption, Refusal, ReinstatePoints, Reversal, ReverseActivity,
    ReviewState, Reward, Stock, TransferPoints, Wallet, adjust_points, change_state, confirm_activity,
    extend_expiry, household, move_member, record_activity, redeem_reward, reinstate_points, reopen_referral,
    reverse_activity, review, settle, transfer_points, velocity, warn_expiry,
};

/// What a decision looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The wallet.
    pub wallet: Wallet,
    /// Open lots in the order of debits, from the first on, if the wallet has something due or the command
    /// debits: all that are due, as many as cover the debit, and one more. Otherwise they may be absent.
    pub lots: BTreeMap<LotKey, Lot>,
    /// Pending lots by their release and number, from the first on, if the wallet has something due or the
    /// command takes from them: all that are due, and one more than the command takes from.
    pub pending: BTreeMap<(Time, i64), Lot>,
    /// Lots without points, by number: those of the activity that the command names, or those that it may
    /// give points back to.
    pub spent: BTreeMap<i64, Lot>,
    /// What the command needs of the time before the wallet's standing, if it does.
    pub past: Option<Past>,
}

/// What a command may look up.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The wallet's program.
    pub program: &'a Program,
    /// The activity of this wallet that already has the command's external id.
    pub activity_taken: Option<Uuid>,
    /// Points counted so far, for caps that the command's activity may count under.
    pub used: &'a BTreeMap<Counter, i64>,
    /// The activity that the command names, if the wallet has it.
    pub activity: Option<&'a Activity>,
    /// The reward that the command names, with its stock.
    pub reward: Option<(&'a Reward, Stock)>,
    /// Who acts, if a rule may ask.
    pub member: Option<&'a Member>,
    /// The second wallet that the command names, if there is one. Both are settled at the later of their
    /// moments.
    pub other: Option<&'a State>,
    /// The wallet of the member that the command names, if what it has is in the wallet of the state.
    pub named: Option<&'a Wallet>,
    /// The wallet of the member of a household in whose name it is done.
    pub shares_as: Option<&'a Wallet>,
    /// The same of the second wallet.
    pub other_shares_as: Option<&'a Wallet>,
    /// What belongs to the member who moves.
    pub belongings: Option<&'a Belongings>,
    /// The review that the command decides, if it does.
    pub review: Option<ReviewState>,
}

/// What can be done to a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Apply what is due; nothing else.
    Settle,
    /// Record an activity.
    RecordActivity(RecordActivity),
    /// Release an activity's pending points.
    ConfirmActivity(ConfirmActivity),
    /// Take an activity back while its points are pending.
    CancelActivity(CancelActivity),
    /// Take an activity back, all of it or in part.
    ReverseActivity(ReverseActivity),
    /// Give or take points by hand.
    AdjustPoints(AdjustPoints),
    /// Let points live longer.
    ExtendExpiry(ExtendExpiry),
    /// Give back points that expired.
    ReinstatePoints(ReinstatePoints),
    /// Spend points on a reward.
    RedeemReward(RedeemReward),
    /// Let the member act, or not, or leave.
    ChangeState(ChangeState),
    /// Give points to another member.
    TransferPoints(TransferPoints),
    /// Move what belongs to a member to another wallet, or back.
    MoveMember(MoveMember),
    /// Change what a member may do in its household.
    ChangeRole(HouseholdRole),
    /// What qualified for the reward of a referral was taken back.
    ReopenReferral,
    /// Never do what waits for a review.
    RejectReview,
}

/// What a command that was done answers, beside the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing further.
    Done,
    /// How many points it was about.
    Points(Points),
    /// The activity as recorded.
    Recorded(Activity),
    /// The activity as confirmed, and how many of its points were released.
    Confirmed(Activity, Points),
    /// The activity as it is now, and what became of its points: of the main currency, then of others.
    Reversed(Activity, Vec<Reversal>),
    /// The redemption made.
    Redeemed(Redemption),
    /// The state of the member, and how many points were forfeited.
    State {
        /// Now.
        state: MemberState,
        /// How many.
        forfeited: Points,
    },
}

impl Reply {
    /// So many points of one purse.
    pub(super) fn of(purse: u32, points: i64) -> Reply {
        Reply::Points(Points::from([(purse, points)]))
    }

    /// The activity that was recorded or changed.
    pub fn activity(&self) -> Option<&Activity> {
        match self {
            Reply::Recorded(activity) | Reply::Confirmed(activity, _) | Reply::Reversed(activity, _) => {
                Some(activity)
            }
            Reply::Done | Reply::Points(_) | Reply::Redeemed(_) | Reply::State { .. } => None,
        }
    }

    /// What became of the points of the activity that was taken back, by purse.
    pub fn reversals(&self) -> &[Reversal] {
        match self {
            Reply::Reversed(_, reversals) => reversals,
            Reply::Done
            | Reply::Points(_)
            | Reply::Recorded(_)
            | Reply::Confirmed(..)
            | Reply::Redeemed(_)
            | Reply::State { .. } => &[],
        }
    }

    /// The redemption that was made.
    pub fn redemption(&self) -> Option<&Redemption> {
        match self {
            Reply::Redeemed(redemption) => Some(redemption),
            Reply::Done
            | Reply::Points(_)
            | Reply::Recorded(_)
            | Reply::Confirmed(..)
            | Reply::Reversed(..)
            | Reply::State { .. } => None,
        }
    }

    /// How many points were released, live longer, were given back or forfeited.
    pub fn points(&self) -> &Points {
        static NONE: Points = Points::new();
        match self {
            Reply::Points(points) | Reply::Confirmed(_, points) => points,
            Reply::State { forfeited, .. } => forfeited,
            Reply::Done | Reply::Recorded(_) | Reply::Reversed(..) | Reply::Redeemed(_) => &NONE,
        }
    }
}

/// A command's outcome, which holds what was settled even if the command itself is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Everything to be written.
    pub outcome: Outcome,
    /// The answer.
    pub answer: Result<Reply, Refusal>,
}

impl<'a> Context<'a> {
    /// A context in which nothing is known but the program.
    pub fn of(program: &'a Program) -> Context<'a> {
        static NOTHING: BTreeMap<Counter, i64> = BTreeMap::new();
        Context {
            program,
            activity_taken: None,
            used: &NOTHING,
            activity: None,
            reward: None,
            member: None,
            other: None,
            named: None,
            shares_as: None,
            other_shares_as: None,
            belongings: None,
            review: None,
        }
    }
}

impl Command {
    /// Up to which expiry this command needs lots at `now`, beyond those that cover its debit; `None` if it
    /// needs none.
    pub fn lots_until(&self, state: &State, program: &Program, now: Time) -> Option<Time> {
        let now = now.max(state.wallet.now);
        match self {
            Command::Settle if warn_expiry::is_due(state, now) => {
                Some(warn_expiry::covered_until(program.time_zone, now).max(now))
            }
            Command::ExtendExpiry(extend) => Some(extend.expiring_before.max(now)),
            Command::ChangeState(change) if change.to.is_over() => Some(Time::NEVER),
            Command::MoveMember(_) => Some(Time::NEVER),
            _ => state.has_due(now).then_some(now),
        }
    }

    /// From which expiry on this command needs lots whose points expired; `None` if it needs none.
    pub fn expired_since(&self) -> Option<Time> {
        match self {
            Command::ReinstatePoints(reinstate) => Some(reinstate.expired_since),
            _ => None,
        }
    }

    /// True if this command may look back behind the wallet's standing among its tiers, given the last moment
    /// up to which commands before it may bring that.
    pub fn needs_past(&self, wallet: &Wallet, program: &Program, latest: Time, now: Time) -> bool {
        let now = now.max(wallet.now);
        let rolling = !program.ladder.policy.window.is_period();
        let tier_due = wallet.tier_due(program) <= now;
        let drops = |at| rolling && wallet.dropped_by(program, at, now);
        match self {
            Command::ReverseActivity(_) | Command::CancelActivity(_) | Command::MoveMember(_) => true,
            Command::RecordActivity(record) => {
                record.occurred_time.is_some_and(|at| {
                    let goes_on = at >= latest.max(wallet.tier_goes_on(program));
                    at < now && (!goes_on || tier_due || drops(at))
                }) || (rolling && tier_due)
            }
            _ => rolling && tier_due,
        }
    }

    /// The activity of before that this command names.
    pub fn activity(&self) -> Option<&ActivityRef> {
        match self {
            Command::ConfirmActivity(confirm) => Some(&confirm.activity),
            Command::CancelActivity(cancel) => Some(&cancel.activity),
            Command::ReverseActivity(reverse) => Some(&reverse.activity),
            Command::Settle
            | Command::RecordActivity(_)
            | Command::AdjustPoints(_)
            | Command::ExtendExpiry(_)
            | Command::ReinstatePoints(_)
            | Command::RedeemReward(_)
            | Command::ChangeState(_)
            | Command::TransferPoints(_)
            | Command::MoveMember(_)
            | Command::ChangeRole(_)
            | Command::ReopenReferral
            | Command::RejectReview => None,
        }
    }

    /// It is about the wallet of the member that it names, wherever that one's points are.
    pub fn is_of_own_wallet(&self) -> bool {
        matches!(self, Command::ChangeState(_) | Command::ChangeRole(_) | Command::ReopenReferral)
    }

    /// The code of the points currency that it is about; empty: the main one.
    pub fn currency(&self) -> &str {
        match self {
            Command::AdjustPoints(adjust) => &adjust.currency,
            Command::TransferPoints(transfer) => &transfer.currency,
            Command::ExtendExpiry(extend) => &extend.currency,
            Command::ReinstatePoints(reinstate) => &reinstate.currency,
            _ => "",
        }
    }

    /// The second wallet that this command names.
    pub fn other_wallet(&self) -> Option<Uuid> {
        match self {
            Command::TransferPoints(transfer) => Some(transfer.to_member_id),
            Command::MoveMember(moving) => Some(moving.to_wallet()),
            _ => None,
        }
    }

    /// The most points this command may debit from the lots of each purse in their order, given the program
    /// and the activity and the reward that it names; nothing if it debits none.
    pub fn debit_max(
        &self,
        program: &Program,
        activity: Option<&Activity>,
        reward: Option<&Reward>,
    ) -> Points {
        let of = |currency: &str, points: i64| {
            let purse = program.spendable(currency).ok().filter(|_| points > 0);
            purse.map(|purse| (purse, points)).into_iter().collect()
        };
        match self {
            Command::Settle
            | Command::RecordActivity(_)
            | Command::ConfirmActivity(_)
            | Command::CancelActivity(_)
            | Command::ExtendExpiry(_)
            | Command::ReinstatePoints(_)
            | Command::ChangeState(_)
            | Command::MoveMember(_)
            | Command::ChangeRole(_)
            | Command::ReopenReferral
            | Command::RejectReview => Points::new(),
            Command::ReverseActivity(_) => {
                let earned = activity.into_iter().flat_map(|activity| &activity.earned);
                earned.map(|earning| (earning.purse, earning.owed_max())).collect()
            }
            Command::AdjustPoints(adjust) => of(&adjust.currency, adjust.points.saturating_neg()),
            Command::TransferPoints(transfer) => of(&transfer.currency, transfer.points),
            Command::RedeemReward(redeem) => reward.map_or_else(Points::new, |reward| {
                of(&reward.currency, reward.price_points.saturating_mul(redeem.quantity))
            }),
        }
    }
}

/// Decides one command at `now`, which counts as the last `now` of the wallets if that is later.
///
/// # Panics
/// If the state breaks an invariant: the caller guards each decision.
pub fn decide(state: &State, command: &Command, context: Context<'_>, now: Time) -> Decision {
    let now = context.other.map_or(now, |other| now.max(other.wallet.now));
    let mut settled = Book::open(state, context.program, now);
    settle::settle(&mut settled).expect("what is due was counted when it was credited");
    let mut book = settled.clone();
    let allowed = change_state::allow(book.out.wallet.state, command)
        .and_then(|()| household::allow(context.shares_as, command))
        .and_then(|()| review::allow(context.review, command));
    let answer = allowed.and_then(|()| {
        let reply = carry_out(&mut book, command, context)?;
        velocity::check(&mut book, command, context.used, context.review.is_some())?;
        Ok(reply)
    });
    match answer.and_then(|reply| Ok((reply, book.close()?))) {
        Ok((reply, outcome)) => Decision { outcome, answer: Ok(reply) },
        Err(refusal) => {
            let outcome = settled.close().expect("what is due was counted when it was credited");
            Decision { outcome, answer: Err(refusal) }
        }
    }
}

fn carry_out<'a>(book: &mut Book<'a>, command: &Command, context: Context<'a>) -> Result<Reply, Refusal> {
    match command {
        Command::Settle => {
            book.warn_of_tier();
            warn_expiry::warn(book).map(|()| Reply::Done)
        }
        Command::RecordActivity(c) => record_activity::record(book, c, context),
        Command::ConfirmActivity(c) => confirm_activity::confirm(book, c, context.activity),
        Command::CancelActivity(c) => reverse_activity::cancel(book, c, context.activity),
        Command::ReverseActivity(c) => reverse_activity::reverse(book, c, context.activity),
        Command::AdjustPoints(c) => adjust_points::adjust(book, c),
        Command::ExtendExpiry(c) => extend_expiry::extend(book, c),
        Command::ReinstatePoints(c) => reinstate_points::reinstate(book, c),
        Command::RedeemReward(c) => redeem_reward::redeem(book, c, context.reward),
        Command::ChangeState(c) => change_state::change(book, c),
        Command::TransferPoints(c) => transfer_points::transfer(book, c, context),
        Command::MoveMember(c) => move_member::move_member(book, c, context),
        Command::ChangeRole(role) => household::change_role(book, *role),
        Command::ReopenReferral => reopen_referral::reopen(book),
        Command::RejectReview => Ok(Reply::Done),
    }
}

/// The wallet as it stands at `now`, with everything due applied but nothing written.
pub fn view(state: &State, program: &Program, now: Time) -> Wallet {
    let context = Context::of(program);
    let mut wallet = decide(state, &Command::Settle, context, now).outcome.wallet;
    // Nothing was written, so this is still the stored version.
    wallet.version = state.wallet.version;
    wallet
}

impl State {
    /// A wallet of which no lot is known.
    pub fn new(wallet: Wallet) -> State {
        let (lots, pending, spent) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        State { wallet, lots, pending, spent, past: None }
    }

    /// Adds a lot, whatever it holds.
    pub fn insert(&mut self, lot: Lot) {
        let number = lot.key.number;
        if lot.is_open() {
            self.lots.insert(lot.key, lot);
        } else if lot.is_waiting() {
            self.pending.insert((lot.activate_time, number), lot);
        } else {
            self.spent.insert(number, lot);
        }
    }

    /// A lot by its number, if it is known.
    pub fn lot(&self, number: i64) -> Option<&Lot> {
        let waiting = || self.pending.values().find(|lot| lot.key.number == number);
        let open = || self.lots.values().find(|lot| lot.key.number == number);
        self.spent.get(&number).or_else(waiting).or_else(open)
    }

    /// The state after an outcome that was decided on this one.
    pub fn evolve(&mut self, outcome: &Outcome) {
        self.pending.retain(|(_, number), _| !outcome.lots.contains_key(number));
        for key in &outcome.moved {
            self.lots.remove(key);
        }
        for lot in outcome.lots.values() {
            self.lots.remove(&lot.key);
            self.spent.remove(&lot.key.number);
            self.insert(lot.clone());
        }
        if let Some(past) = &mut self.past {
            past.evolve(&outcome.credits, &outcome.tier_rows);
        }
        self.wallet = outcome.wallet.clone();
    }

    /// True if a decision at this moment needs the lots that are due.
    pub fn has_due(&self, now: Time) -> bool {
        settle::needs_lots(self, now)
    }
}

#[cfg(test)]
mod tests;
