//! RecordActivity: what a member did, and the points it earns.

use ambient::Time;
use uuid::Uuid;

use super::book::{Book, next};
use super::rules::evaluate;
use super::{
    Account, Activity, ActivityKind, ActivityState, Context, Detail, Earned, Earning, Event, Money, Pinned,
    Reason, Refusal, Reply, Source,
};

/// The command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordActivity {
    /// The id the activity gets.
    pub activity_id: Uuid,
    /// Who did it.
    pub member_id: Uuid,
    /// What kind.
    pub kind: ActivityKind,
    /// When it happened; now if not given.
    pub occurred_time: Option<Time>,
    /// What was paid; never negative.
    pub amount: Option<Money>,
    /// The caller's own key; empty if none.
    pub external_id: String,
    /// What else is known of it.
    pub detail: Detail,
}

impl RecordActivity {
    /// The moment that it counts as, decided at `now`.
    pub fn occurred_at(&self, now: Time) -> Time {
        self.occurred_time.map_or(now, |occurred| occurred.min(now))
    }
}

/// Callers' clocks may run ahead by this much.
const SKEW_MAX_MICROS: i64 = 5 * 60 * 1_000_000;

pub(super) fn record(
    book: &mut Book<'_>,
    command: &RecordActivity,
    context: Context<'_>,
) -> Result<Reply, Refusal> {
    if let Some(activity_id) = context.activity_taken {
        return Err(Refusal::ActivityExists { activity_id });
    }
    if let Some(occurred) = command.occurred_time
        && occurred > book.now.plus_micros(SKEW_MAX_MICROS)
    {
        return Err(Refusal::OccurredInFuture { occurred, now: book.now });
    }
    if let Some(given) = command.amount.map(|a| a.currency).filter(|c| *c != book.program.currency) {
        return Err(Refusal::CurrencyMismatch { expected: book.program.currency, given });
    }
    let mut activity = Activity {
        id: command.activity_id,
        member_id: command.member_id,
        kind: command.kind,
        occurred_time: command.occurred_at(book.now),
        amount: command.amount,
        external_id: command.external_id.clone(),
        earned: Vec::new(),
        credits: 0,
        state: ActivityState::Recorded,
        returned_micros: 0,
        outstanding: Vec::new(),
        detail: command.detail.clone(),
        pinned: Pinned::default(),
    };
    grant(book, &mut activity, context)?;
    book.out.recorded = Some(activity.clone());
    book.qualify(&activity, context.shares_as);
    book.announce(Event::ActivityRecorded { activity: activity.clone() });
    let effective = activity.occurred_time;
    book.slide(effective);
    for earning in &activity.earned {
        earn(book, &activity, earning, effective)?;
    }
    book.count_credits(book.program.ladder.policy.credits(&activity), effective, effective)?;
    Ok(Reply::Recorded(activity))
}

/// Finds what the activity earns, by the rules and in the tier of its moment.
fn grant(book: &mut Book<'_>, activity: &mut Activity, context: Context<'_>) -> Result<(), Refusal> {
    activity.pinned.tier_rank = book.rank_at(activity.occurred_time);
    let Some(set) = book.program.rules_at(activity.occurred_time) else { return Ok(()) };
    activity.pinned.rule_version = set.version;
    if set.rules.names_member() {
        // A household that is named itself is no member: what is asked of one does not hold.
        activity.pinned.member = context.member.map(|member| Box::new(member.facts()));
    }
    for (counter, limit) in set.rules.counters(activity.occurred_time) {
        let used = context.used.get(&counter).copied().unwrap_or(0);
        activity.pinned.room.insert(counter, limit.saturating_sub(used.max(0)).max(0));
    }
    let evaluation = evaluate(&set.rules, &activity.facts(book.program), &activity.pinned.room)?;
    let mut lot_seq = book.out.wallet.lot_seq;
    for (purse, points) in evaluation.points {
        if book.program.qualifies(purse) {
            activity.credits = points;
        } else {
            let lots = (next(&mut lot_seq)?, 1);
            activity.earned.push(Earning { purse, points, lots, ..Earning::default() });
        }
    }
    // What no cap can cut, of the whole or a part, need not be kept to evaluate it again.
    activity.pinned.room.retain(|counter, _| evaluation.looked_at.contains(counter));
    let mut counted = evaluation.counted.into_iter();
    counted.try_for_each(|(counter, points)| book.count(activity.member_id, counter, points))
}

fn earn(book: &mut Book<'_>, activity: &Activity, earning: &Earning, at: Time) -> Result<(), Refusal> {
    let Earning { purse, points, .. } = *earning;
    let rule_version = activity.pinned.rule_version;
    let source = Source {
        actor_member_id: activity.member_id,
        activity_id: activity.id,
        rule_version,
        ..Source::default()
    };
    let activate_time = book.program.release.activate_time(at);
    let mut lot = book.open_lot(purse, points, (at, activate_time), &source)?;
    let credit = if lot.pending { Account::Pending } else { Account::Available };
    book.post((purse, Account::Issued, credit), points, Reason::Earn, at, source)?;
    // Points of long ago are released and expire in this commit, each at its own moment.
    if lot.pending && activate_time <= book.now {
        lot = book.release(lot, activate_time, Uuid::nil())?;
    }
    if lot.is_open() && book.lives_until(&lot) <= book.now {
        book.expire(lot.clone())?;
    }
    book.repay(purse, book.now)?;
    book.announce(Event::PointsEarned(Earned {
        member_id: activity.member_id,
        activity_id: activity.id,
        lot_number: lot.key.number,
        points,
        activate_time,
        expire_time: book.lives_until(&lot),
        left: book.left(purse),
    }));
    Ok(())
}
