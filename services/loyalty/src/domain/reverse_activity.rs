//! ReverseActivity and CancelActivity: an activity is taken back, and with it what it earned.
//!
//! What is owed after any returns is the points granted less those that what remains of the activity earns
//! under the rule that granted them. So any split and any order of returns owes what one return of the
//! whole owes. Points of the activity that expired are not owed.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::book::{Book, minus, plus};
use super::rules::{Counter, Evaluation, evaluate_rest};
use super::{
    Account, Activity, ActivityRef, ActivityState, Event, Line, Lot, Money, Outstanding, Points, Reason,
    Refusal, Reply, Source, Taken,
};

/// The command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReverseActivity {
    /// Whose activity.
    pub member_id: Uuid,
    /// Which.
    pub activity: ActivityRef,
    /// How much of it.
    pub returned: Returned,
    /// Why; kept with the postings.
    pub note: String,
}

/// How much of an activity is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Returned {
    /// All that is left of it.
    Whole,
    /// A part of what was paid.
    Amount(Money),
    /// So many of these line items: their places and how many, or all that are left.
    Items(Vec<(usize, Option<i64>)>),
}

/// The command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelActivity {
    /// Whose activity.
    pub member_id: Uuid,
    /// Which.
    pub activity: ActivityRef,
    /// Why; kept with the postings.
    pub note: String,
}

/// What may be taken back of the points that are owed. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ReturnPolicy {
    /// Points of the activity that are still pending; the rest is waived.
    OnlyPending = 1,
    /// Whatever the wallet has available, too; the rest is waived until points come back that were gone.
    WithinBalance = 2,
    /// All: what the wallet does not have, it owes.
    Unlimited = 3,
}

impl ReturnPolicy {
    /// The policy with this stored number.
    pub fn from_number(number: i32) -> Option<ReturnPolicy> {
        use ReturnPolicy::{OnlyPending, Unlimited, WithinBalance};
        [OnlyPending, WithinBalance, Unlimited].into_iter().find(|policy| *policy as i32 == number)
    }
}

/// What became of the points of a return.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reversal {
    /// Of which purse.
    pub purse: u32,
    /// Points owed: the sum of the others.
    pub owed: i64,
    /// Taken from the activity's pending points.
    pub from_pending: i64,
    /// Taken from available points.
    pub from_available: i64,
    /// Owed from now on: later points repay it.
    pub arrears: i64,
    /// Not taken.
    pub waived: i64,
}

/// The activity that a command names, if something of it still counts.
pub(super) fn still_counts<'a>(
    named: &ActivityRef,
    activity: Option<&'a Activity>,
) -> Result<&'a Activity, Refusal> {
    let id = || match named {
        ActivityRef::Id(id) => id.to_string(),
        ActivityRef::External(id) => id.clone(),
    };
    let activity = activity.ok_or_else(|| Refusal::ActivityNotFound { activity: id() })?;
    match activity.state {
        ActivityState::Recorded | ActivityState::PartlyReversed => Ok(activity),
        state @ (ActivityState::Reversed | ActivityState::Cancelled) => {
            Err(Refusal::ActivityOver { activity_id: activity.id, state })
        }
    }
}

pub(super) fn reverse(
    book: &mut Book<'_>,
    command: &ReverseActivity,
    activity: Option<&Activity>,
) -> Result<Reply, Refusal> {
    let before = still_counts(&command.activity, activity)?;
    let residual_micros = before.residual_micros();
    let mut after = before.clone();
    let returned_micros = match &command.returned {
        Returned::Whole => residual_micros,
        Returned::Amount(amount) => part(book, *amount, residual_micros)?,
        Returned::Items(items) => give_back(&mut after, items)?.min(residual_micros),
    };
    after.returned_micros = plus(before.returned_micros, returned_micros)?;
    // Whatever order it is given back in: of what had a price nothing is left once nothing of the price is.
    let is_priced = before.amount.is_some_and(|amount| amount.micros > 0);
    let is_used_up =
        after.residual_micros() == 0 && (is_priced || after.detail.lines.iter().all(Line::is_returned));
    let is_whole = command.returned == Returned::Whole || is_used_up;
    after.state = if is_whole { ActivityState::Reversed } else { ActivityState::PartlyReversed };
    let kept = recount(book, before, &mut after)?;
    let source = Source { note: command.note.clone(), ..source(before, command.member_id) };
    let mut reversals = Vec::with_capacity(before.earned.len());
    for earning in &before.earned {
        let mut lots = book.lots_earned(before, earning.purse);
        for lot in &mut lots {
            lot.returned = true;
            book.keep(lot.clone());
        }
        let expired = lots.iter().try_fold(earning.expired_before, |sum, lot| plus(sum, lot.expired))?;
        let kept = kept.get(&earning.purse).copied().unwrap_or(0);
        let owed_so_far = minus(earning.points, kept.max(expired))?;
        let owed = minus(owed_so_far, earning.reversed)?.max(0);
        reversals.push(take(book, (earning.purse, lots), owed, &source)?);
    }
    finish(book, after, book.program.ladder.policy.credits(before), returned_micros, reversals)
}

/// Marks items as given back; returns what they cost.
fn give_back(activity: &mut Activity, items: &[(usize, Option<i64>)]) -> Result<i64, Refusal> {
    let mut micros = 0;
    for (place, quantity) in items {
        let missing = Refusal::ItemNotLeft { item: *place, quantity: quantity.unwrap_or(1), left: 0 };
        let line = activity.detail.lines.get_mut(*place).ok_or(missing)?;
        let left = minus(line.item.quantity, line.returned)?;
        let quantity = quantity.unwrap_or(left);
        if quantity > left || left == 0 {
            return Err(Refusal::ItemNotLeft { item: *place, quantity: quantity.max(1), left });
        }
        micros = plus(micros, line.share_micros(quantity))?;
        line.returned = plus(line.returned, quantity)?;
    }
    Ok(micros)
}

/// Corrects what counts for caps and as credits from what was left of the activity to what is left now, and
/// returns the points that it earns now.
fn recount(book: &mut Book<'_>, before: &Activity, after: &mut Activity) -> Result<Points, Refusal> {
    let held = before.held(book.program);
    let old = earned_by_rest(book, before, &held)?;
    let new = earned_by_rest(book, after, &held)?;
    let credits = book.program.qualifying().and_then(|purse| new.points.get(&purse));
    after.credits = credits.copied().unwrap_or(0);
    // What is left may be granted by other rules than the whole was.
    let counters: BTreeSet<&Counter> = old.counted.keys().chain(new.counted.keys()).collect();
    for counter in counters {
        let counted = |of: &Evaluation| of.counted.get(counter).copied().unwrap_or(0);
        book.count(before.member_id, counter.clone(), minus(counted(&new), counted(&old))?)?;
    }
    Ok(new.points)
}

/// What is left of an activity earns under the rules, in the tier and with the room that it was granted by,
/// of the points that it held before a return.
fn earned_by_rest(book: &Book<'_>, activity: &Activity, held: &Points) -> Result<Evaluation, Refusal> {
    let is_over = matches!(activity.state, ActivityState::Reversed | ActivityState::Cancelled);
    if is_over || (activity.earned.is_empty() && activity.credits == 0) {
        return Ok(Evaluation::default());
    }
    let set = book.program.rule_set(activity.pinned.rule_version);
    let set = set.expect("the rules that granted points are known as long as the points");
    evaluate_rest(&set.rules, &activity.facts(book.program), &activity.pinned.room, held)
}

fn part(book: &Book<'_>, amount: Money, residual_micros: i64) -> Result<i64, Refusal> {
    let (expected, given) = (book.program.currency, amount.currency);
    if given != expected {
        return Err(Refusal::CurrencyMismatch { expected, given });
    }
    let returned_micros = amount.micros;
    if returned_micros > residual_micros {
        return Err(Refusal::ReturnExceedsActivity { returned_micros, residual_micros });
    }
    Ok(returned_micros)
}

pub(super) fn cancel(
    book: &mut Book<'_>,
    command: &CancelActivity,
    activity: Option<&Activity>,
) -> Result<Reply, Refusal> {
    let before = still_counts(&command.activity, activity)?;
    let source = Source { note: command.note.clone(), ..source(before, command.member_id) };
    let mut reversals = Vec::with_capacity(before.earned.len());
    for earning in &before.earned {
        let lots = book.lots_earned(before, earning.purse);
        // Of an activity that moved with its member only the lots are known that held something.
        let has_gone = lots.is_empty() && earning.owed_max() > 0;
        if has_gone || lots.iter().any(|lot| !lot.pending) {
            return Err(Refusal::ActivityReleased { activity_id: before.id });
        }
        let mut reversal = Reversal { purse: earning.purse, ..Reversal::default() };
        for lot in lots.into_iter().filter(Lot::is_waiting) {
            let points = lot.remaining;
            book.take_from(lot, points, Reason::Cancel, source.clone())?;
            reversal.from_pending = plus(reversal.from_pending, points)?;
        }
        reversal.owed = reversal.from_pending;
        reversals.push(reversal);
    }
    let returned_micros = before.residual_micros();
    let returned_in_all = plus(before.returned_micros, returned_micros)?;
    let mut after =
        Activity { state: ActivityState::Cancelled, returned_micros: returned_in_all, ..before.clone() };
    recount(book, before, &mut after)?;
    finish(book, after, book.program.ladder.policy.credits(before), returned_micros, reversals)
}

/// Takes what is owed: from the activity's own lots, pending ones first, then from others of the purse in the
/// order of debits; the rest becomes arrears or is waived.
fn take(
    book: &mut Book<'_>,
    (purse, mut lots): (u32, Vec<Lot>),
    owed: i64,
    source: &Source,
) -> Result<Reversal, Refusal> {
    let policy = book.program.return_policy;
    let mut reversal = Reversal { purse, owed, ..Reversal::default() };
    let mut left = owed;
    lots.sort_by_key(|lot| (!lot.pending, lot.key));
    for lot in lots.into_iter().filter(|lot| lot.remaining > 0) {
        let points = lot.remaining.min(left);
        if points == 0 || (policy == ReturnPolicy::OnlyPending && !lot.pending) {
            continue;
        }
        left = minus(left, points)?;
        let taken = if lot.pending { &mut reversal.from_pending } else { &mut reversal.from_available };
        *taken = plus(*taken, points)?;
        book.take_from(lot, points, Reason::Reverse, source.clone())?;
    }
    let others = book.out.wallet.purse(purse).totals.available.min(left);
    if others > 0 && policy != ReturnPolicy::OnlyPending {
        left = minus(left, others)?;
        reversal.from_available = plus(reversal.from_available, others)?;
        let accounts = (purse, Account::Reversed);
        book.debit_lots(accounts, others, Reason::Reverse, book.now, source.clone())?;
    }
    if left > 0 {
        let (account, rest) = match policy {
            ReturnPolicy::Unlimited => (Account::Arrears, &mut reversal.arrears),
            ReturnPolicy::OnlyPending | ReturnPolicy::WithinBalance => {
                (Account::Waived, &mut reversal.waived)
            }
        };
        *rest = left;
        let accounts = (purse, account, Account::Reversed);
        book.post(accounts, left, Reason::Reverse, book.now, source.clone())?;
    }
    Ok(reversal)
}

fn finish(
    book: &mut Book<'_>,
    mut activity: Activity,
    credits_before: i64,
    returned_micros: i64,
    reversals: Vec<Reversal>,
) -> Result<Reply, Refusal> {
    let is_within_balance = book.program.return_policy == ReturnPolicy::WithinBalance;
    for (earning, reversal) in activity.earned.iter_mut().zip(&reversals) {
        earning.reversed = plus(earning.reversed, reversal.owed)?;
        if is_within_balance && reversal.waived > 0 {
            let (purse, since, points) = (reversal.purse, book.now, reversal.waived);
            activity.outstanding.push(Outstanding { purse, since, points });
        }
    }
    if matches!(activity.state, ActivityState::Reversed | ActivityState::Cancelled) {
        activity.detail.lines.iter_mut().for_each(|line| line.returned = line.item.quantity);
    }
    let credits = minus(book.program.ladder.policy.credits(&activity), credits_before)?;
    book.count_credits(credits, activity.occurred_time, book.now)?;
    let returned = activity.amount.map(|amount| Money { micros: returned_micros, ..amount });
    book.out.changed.insert(activity.id, activity.clone());
    let told = reversals.iter().map(|reversal| (book.code(reversal.purse), *reversal)).collect();
    let (reverse_time, left) = (book.now, book.left(0));
    let taken = Taken { activity: activity.clone(), returned, reversals: told, reverse_time, left };
    book.announce(Event::ActivityReversed(Box::new(taken)));
    Ok(Reply::Reversed(activity, reversals))
}

fn source(activity: &Activity, actor_member_id: Uuid) -> Source {
    let (activity_id, rule_version) = (activity.id, activity.pinned.rule_version);
    Source { actor_member_id, activity_id, rule_version, ..Source::default() }
}

#[cfg(test)]
mod tests;
