//! One decision: settle, then one command.

use std::collections::{BTreeMap, BTreeSet};

use ambient::Time;
use uuid::Uuid;

use super::book::{Book, Outcome};
use super::rules::Counter;
use super::{
    Activity, Belongings, Command, Lot, LotKey, Member, MemberState, Past, Points, Program, Redemption,
    RedemptionState, Refusal, Reversal, Review, Reward, Stock, Wallet, adjust_points, capture_redemption,
    change_state, confirm_activity, create_redemption, extend_expiry, extend_hold, household, move_member,
    record_activity, redeem_reward, refund_redemption, reinstate_points, reopen_referral, reverse_activity,
    review, settle, transfer_points, velocity, void_redemption, warn_expiry,
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
    /// Open holds by their ends and ids, all of them, if one of them is due, or the command resolves or moves
    /// any. Otherwise they may be absent.
    pub holds: BTreeMap<(Time, Uuid), Redemption>,
    /// Lots of other wallets, by these and their numbers, to which points may come back.
    pub origins: BTreeMap<(Uuid, i64), Lot>,
    /// Those whose points are in this wallet of all in whose names lots are that points cannot come back to.
    pub here: BTreeSet<Uuid>,
    /// Activities, each with its member, that were taken back, whole or in part: all of those whose lots
    /// points cannot come back to.
    pub returned: BTreeSet<(Uuid, Uuid)>,
    /// Activities of this wallet, by their ids, of which something is outstanding: all of them, if points may
    /// come back. Otherwise they may be absent.
    pub owing: BTreeMap<Uuid, Activity>,
    /// What was counted for the limits of rewards: of those that are held, and of the one that is redeemed.
    pub counted: BTreeMap<Counter, i64>,
    /// What the command needs of the time before the wallet's standing, if it does.
    pub past: Option<Past>,
    /// All lots are known that end up to here.
    pub lots_until: Time,
}

/// What a command may look up.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The wallet's program.
    pub program: &'a Program,
    /// The activity of this wallet that already has the command's external id.
    pub activity_taken: Option<Uuid>,
    /// What was counted so far under what the command may count under.
    pub used: &'a BTreeMap<Counter, i64>,
    /// The activity that the command names, if the wallet has it.
    pub activity: Option<&'a Activity>,
    /// The redemption that the command names, if the wallet has it.
    pub redemption: Option<&'a Redemption>,
    /// The reward that the command names, with its stock.
    pub reward: Option<(&'a Reward, Stock)>,
    /// The next codes of the pool of that reward, or of that of the redemption: as many as may be handed out.
    pub codes: &'a [String],
    /// Who acts, if a rule or a reward may ask.
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
    /// The member of a household into whom the one was merged who made the redemption, as far as it matters.
    pub redeemed_as: Option<Uuid>,
    /// What belongs to the member who moves.
    pub belongings: Option<&'a Belongings>,
    /// The review that the command decides, if it does.
    pub review: Option<&'a Review>,
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
    /// The redemption made or changed.
    Redeemed(Redemption),
    /// The redemption as it is now, and how many points were given back.
    Refunded(Redemption, i64),
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
            Reply::Done
            | Reply::Points(_)
            | Reply::Redeemed(_)
            | Reply::Refunded(..)
            | Reply::State { .. } => None,
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
            | Reply::Refunded(..)
            | Reply::State { .. } => &[],
        }
    }

    /// The redemption that was made or changed.
    pub fn redemption(&self) -> Option<&Redemption> {
        match self {
            Reply::Redeemed(redemption) | Reply::Refunded(redemption, _) => Some(redemption),
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
            Reply::Done
            | Reply::Recorded(_)
            | Reply::Reversed(..)
            | Reply::Redeemed(_)
            | Reply::Refunded(..) => &NONE,
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

impl Decision {
    /// The same where nothing can wait for a review: what is beyond a limit is refused.
    pub fn at_once(self) -> Decision {
        let refused = |refusal| match refusal {
            Refusal::ReviewRequired { limit_id, .. } => Refusal::VelocityExceeded { limit_id },
            other => other,
        };
        Decision { answer: self.answer.map_err(refused), ..self }
    }
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
            redemption: None,
            reward: None,
            codes: &[],
            member: None,
            other: None,
            named: None,
            shares_as: None,
            other_shares_as: None,
            redeemed_as: None,
            belongings: None,
            review: None,
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
    settled.named_redemption = context.redemption;
    settled.codes = context.codes;
    settle::settle(&mut settled).expect("what is due was counted when it was credited");
    let activity = context.activity.map(|activity| settled.out.changed.get(&activity.id).unwrap_or(activity));
    let context = Context { activity, ..context };
    let mut book = settled.clone();
    let allowed = allow(&book.out.wallet, context, command)
        .and_then(|()| review::allow(&book, context.review, command));
    let answer = allowed.and_then(|()| {
        let reply = carry_out(&mut book, command, context)?;
        review::bound(&book, context.review)?;
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

/// Refuses what may not be done with a wallet in any case, by its own state, or by that and the role of the
/// member of a household in whose name it is done.
///
/// # Errors
/// `MemberSuspended`, `MemberClosed` or `RoleRequired`.
pub fn allow(wallet: &Wallet, context: Context<'_>, command: &Command) -> Result<(), Refusal> {
    change_state::allow(wallet.state, command)?;
    household::allow(context, command)
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
        Command::RedeemReward(c) => redeem_reward::redeem(book, c, context),
        Command::CreateRedemption(c) => create_redemption::create(book, c, context),
        Command::CaptureRedemption(c) => capture_redemption::capture(book, c),
        Command::VoidRedemption(c) => void_redemption::void(book, c),
        Command::ExtendHold(c) => extend_hold::extend(book, c),
        Command::RefundRedemption(c) => refund_redemption::refund(book, c),
        Command::ChangeState(c) => change_state::change(book, c),
        Command::TransferPoints(c) => transfer_points::transfer(book, c, context),
        Command::MoveMember(c) => move_member::move_member(book, c, context),
        Command::ChangeRole(role) => household::change_role(book, *role),
        Command::ReopenReferral(activity_id) => reopen_referral::reopen(book, *activity_id),
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
        State {
            wallet,
            lots: BTreeMap::new(),
            pending: BTreeMap::new(),
            spent: BTreeMap::new(),
            holds: BTreeMap::new(),
            origins: BTreeMap::new(),
            here: BTreeSet::new(),
            returned: BTreeSet::new(),
            owing: BTreeMap::new(),
            counted: BTreeMap::new(),
            past: None,
            lots_until: Time::MIN,
        }
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

    /// Adds open holds.
    pub fn hold(&mut self, redemptions: impl IntoIterator<Item = Redemption>) {
        let held = redemptions.into_iter().filter(|one| one.state == RedemptionState::Held);
        self.holds.extend(held.map(|one| ((one.hold_expire_time, one.id), one)));
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
        self.holds.retain(|(_, id), _| !outcome.resolved.contains_key(id));
        self.hold(outcome.redemption.iter().chain(outcome.resolved.values()).cloned());
        let returned = outcome.changed.values().filter(|activity| activity.is_taken_back());
        self.returned.extend(returned.map(|activity| (activity.id, activity.member_id)));
        self.owing.extend(outcome.changed.clone());
        self.owing.retain(|_, activity| !activity.outstanding.is_empty());
        for ((counter, _), units) in &outcome.counted {
            let known = self.counted.get_mut(counter);
            known.into_iter().for_each(|counted| *counted = counted.saturating_add(*units));
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
