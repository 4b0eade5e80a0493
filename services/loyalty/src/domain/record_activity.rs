//! RecordActivity: what a member did, and the points it earns.

use ambient::Time;
use uuid::Uuid;

use super::book::{Book, plus};
use super::calendar::local_date;
use super::{Account, Activity, ActivityKind, DaySpend, Event, Money, Reason, Refusal, Reply, Source};
use chrono::Datelike;

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
}

/// Callers' clocks may run ahead by this much.
const SKEW_MAX_MICROS: i64 = 5 * 60 * 1_000_000;

pub(super) fn record(
    book: &mut Book<'_>,
    command: &RecordActivity,
    taken: Option<Uuid>,
) -> Result<Reply, Refusal> {
    if let Some(activity_id) = taken {
        return Err(Refusal::ActivityExists { activity_id });
    }
    let occurred = command.occurred_time.unwrap_or(book.now);
    if occurred > book.now.plus_micros(SKEW_MAX_MICROS) {
        return Err(Refusal::OccurredInFuture { occurred, now: book.now });
    }
    if let Some(given) = command.amount.map(|a| a.currency).filter(|c| *c != book.program.currency) {
        return Err(Refusal::CurrencyMismatch { expected: book.program.currency, given });
    }
    let paid_micros = match command.kind {
        ActivityKind::Purchase => command.amount.map_or(0, |a| a.micros),
        ActivityKind::Visit
        | ActivityKind::Review
        | ActivityKind::SurveyCompleted
        | ActivityKind::CheckIn
        | ActivityKind::Custom => 0,
    };
    let rule = book.program.rule;
    let points = rule.map_or(Ok(0), |r| r.points_for(paid_micros))?;
    let activity = Activity {
        id: command.activity_id,
        member_id: command.member_id,
        kind: command.kind,
        occurred_time: occurred,
        amount: command.amount,
        external_id: command.external_id.clone(),
        points,
    };
    book.out.activity = Some(activity.clone());
    book.announce(Event::ActivityRecorded { activity: activity.clone() });
    let effective = occurred.min(book.now);
    if points > 0 {
        earn(book, &activity, rule.map_or(0, |r| r.version), effective)?;
    }
    if paid_micros > 0 {
        count_spend(book, paid_micros, effective)?;
    }
    Ok(Reply::Recorded(activity))
}

fn earn(book: &mut Book<'_>, activity: &Activity, rule_version: i64, at: Time) -> Result<(), Refusal> {
    let source = Source {
        actor_member_id: activity.member_id,
        activity_id: activity.id,
        rule_version,
        ..Source::default()
    };
    let key = book.open_lot(activity.points, at, activity.id, rule_version)?;
    book.post((Account::Issued, Account::Available), activity.points, Reason::Earn, at, source)?;
    // Points of long ago live and die in this commit, each at its own moment.
    if key.expire_time <= book.now
        && let Some(lot) = book.out.lots.get(&key).cloned()
    {
        book.expire(lot)?;
    }
    book.announce(Event::PointsEarned {
        member_id: activity.member_id,
        activity_id: activity.id,
        lot_number: key.number,
        points: activity.points,
        expire_time: key.expire_time,
        available: book.out.wallet.totals.available,
    });
    Ok(())
}

fn count_spend(book: &mut Book<'_>, spend_micros: i64, at: Time) -> Result<(), Refusal> {
    let date = local_date(book.program.time_zone, at);
    book.out.day_spend = Some(DaySpend { date, spend_micros });
    let spend = &mut book.out.wallet.spend;
    if date.year() == spend.year {
        spend.current_micros = plus(spend.current_micros, spend_micros)?;
    } else if date.year() == spend.year.saturating_sub(1) {
        spend.previous_micros = plus(spend.previous_micros, spend_micros)?;
    }
    book.update_tier(at);
    Ok(())
}
