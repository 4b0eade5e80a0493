//! The book of one decision: every change goes through it, so totals, lots and postings cannot part.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use ambient::Time;
use uuid::Uuid;

use super::warn_expiry::next_warn;
use super::{
    Account, Activity, Allocation, DaySpend, Event, Lot, LotKey, Posting, Program, Reason, Redemption,
    Refusal, Source, State, Wallet,
};

/// Everything to be written and announced. Rows are numbered by the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The wallet after the command; its version grew if anything changed.
    pub wallet: Wallet,
    /// New postings.
    pub postings: Vec<Posting>,
    /// Lots opened or changed, as they are now.
    pub lots: BTreeMap<LotKey, Lot>,
    /// New allocations.
    pub allocations: Vec<Allocation>,
    /// The activity recorded.
    pub activity: Option<Activity>,
    /// Spend that counts for tiers.
    pub day_spend: Option<DaySpend>,
    /// The redemption made.
    pub redemption: Option<Redemption>,
    /// Units taken from the counted stock of the redeemed reward.
    pub stock_taken: i64,
    /// Announcements, in order; the last has the number `wallet.event_seq`.
    pub events: Vec<Event>,
}

#[derive(Clone)]
pub(super) struct Book<'a> {
    pub(super) program: &'a Program,
    pub(super) now: Time,
    pub(super) out: Outcome,
    before: &'a State,
    /// The last stored lot that was debited: debits take stored lots in their order.
    reached: Option<LotKey>,
    /// Lots of `out.lots` that still hold points.
    open: BTreeSet<LotKey>,
    expired: Vec<(i64, i64, Time)>,
    tier_changed: Option<Time>,
}

impl<'a> Book<'a> {
    pub(super) fn open(before: &'a State, program: &'a Program, now: Time) -> Book<'a> {
        let out = Outcome {
            wallet: before.wallet.clone(),
            postings: Vec::new(),
            lots: BTreeMap::new(),
            allocations: Vec::new(),
            activity: None,
            day_spend: None,
            redemption: None,
            stock_taken: 0,
            events: Vec::new(),
        };
        let now = now.max(before.wallet.now);
        let (expired, open) = (Vec::new(), BTreeSet::new());
        Book { program, now, out, before, reached: None, open, expired, tier_changed: None }
    }

    pub(super) fn post(
        &mut self,
        (debit, credit): (Account, Account),
        points: i64,
        reason: Reason,
        effective_time: Time,
        source: Source,
    ) -> Result<i64, Refusal> {
        assert!(points > 0, "a posting moves at least one point");
        self.out.wallet.totals.post(debit, credit, points)?;
        let seq = next(&mut self.out.wallet.posting_seq)?;
        let create_time = self.now;
        self.out.postings.push(Posting {
            seq,
            debit,
            credit,
            points,
            reason,
            effective_time,
            create_time,
            source,
        });
        Ok(seq)
    }

    pub(super) fn open_lot(
        &mut self,
        points: i64,
        activate_time: Time,
        activity_id: Uuid,
        rule_version: i64,
    ) -> Result<LotKey, Refusal> {
        let number = next(&mut self.out.wallet.lot_seq)?;
        let key = LotKey { expire_time: self.program.expire_time(activate_time), number };
        let lot =
            Lot { key, points, remaining: points, activate_time, activity_id, rule_version, origin_lot: 0 };
        self.out.lots.insert(key, lot);
        self.open.insert(key);
        if key.expire_time > self.now {
            let next = &mut self.out.wallet.next_expire;
            *next = key.expire_time.min(*next);
        }
        Ok(key)
    }

    /// Takes points from the lots in the order of debits.
    pub(super) fn debit_lots(
        &mut self,
        points: i64,
        credit: Account,
        reason: Reason,
        source: Source,
    ) -> Result<(), Refusal> {
        let available = self.out.wallet.totals.available;
        if available < points {
            return Err(Refusal::InsufficientPoints { needed: points, available });
        }
        let seq = self.post((Account::Available, credit), points, reason, self.now, source)?;
        let mut left = points;
        while left > 0 {
            let lot = self.first_open_lot().expect("open lots cover what is available");
            let taken = left.min(lot.remaining);
            self.allocate(seq, lot, taken, self.now)?;
            left = minus(left, taken)?;
        }
        self.find_next_expire();
        Ok(())
    }

    /// Ends the life of a lot at its own moment.
    pub(super) fn expire(&mut self, lot: Lot) -> Result<(), Refusal> {
        let (points, at) = (lot.remaining, lot.key.expire_time);
        let source =
            Source { activity_id: lot.activity_id, rule_version: lot.rule_version, ..Source::default() };
        let seq = self.post((Account::Available, Account::Expired), points, Reason::Expire, at, source)?;
        self.expired.push((lot.key.number, points, at));
        self.allocate(seq, lot, points, at)
    }

    fn allocate(&mut self, posting_seq: i64, mut lot: Lot, points: i64, at: Time) -> Result<(), Refusal> {
        lot.remaining = minus(lot.remaining, points)?;
        let lot_number = lot.key.number;
        self.out.allocations.push(Allocation { posting_seq, lot_number, points, effective_time: at });
        if self.before.lots.contains_key(&lot.key) {
            self.reached = self.reached.max(Some(lot.key));
        }
        if lot.remaining > 0 {
            self.open.insert(lot.key);
        } else {
            self.open.remove(&lot.key);
        }
        self.out.lots.insert(lot.key, lot);
        Ok(())
    }

    /// The lot that the next debit takes from.
    pub(super) fn first_open_lot(&self) -> Option<Lot> {
        let from = self.reached.map_or(Bound::Unbounded, Bound::Excluded);
        let mut untouched = self.before.lots.range((from, Bound::Unbounded));
        let stored = untouched.find(|(_, lot)| lot.remaining > 0).map(|(_, lot)| lot);
        let changed = self.open.first().and_then(|key| self.out.lots.get(key));
        stored.into_iter().chain(changed).min_by_key(|lot| lot.key).cloned()
    }

    /// Lots that hold points: those of the state, as far as they were loaded, and those of this command.
    pub(super) fn open_lots(&self) -> impl Iterator<Item = &Lot> {
        let untouched = self.before.lots.iter().filter(|(key, _)| !self.out.lots.contains_key(key));
        untouched.map(|(_, lot)| lot).chain(self.out.lots.values()).filter(|lot| lot.remaining > 0)
    }

    /// Finds anew when points next expire: after lots were debited that are in the state.
    pub(super) fn find_next_expire(&mut self) {
        self.out.wallet.next_expire = self.first_open_lot().map_or(Time::NEVER, |lot| lot.key.expire_time);
    }

    /// Brings the tier in line with the spend, as of `at`.
    pub(super) fn update_tier(&mut self, at: Time) {
        let wallet = &mut self.out.wallet;
        let rank = self.program.ladder.rank(wallet.spend);
        if rank != wallet.tier_rank {
            wallet.tier_rank = rank;
            self.tier_changed = Some(at);
        }
    }

    pub(super) fn announce(&mut self, event: Event) {
        self.out.events.push(event);
    }

    /// Closes the book: adds the announcements that sum up the whole command, numbers them, checks the
    /// totals.
    pub(super) fn close(mut self) -> Result<Outcome, Refusal> {
        let available = self.out.wallet.totals.available;
        if !self.expired.is_empty() {
            let lots = std::mem::take(&mut self.expired);
            self.announce(Event::PointsExpired { lots, available });
        }
        let (from_rank, to_rank) = (self.before.wallet.tier_rank, self.out.wallet.tier_rank);
        if let Some(effective_time) = self.tier_changed.filter(|_| from_rank != to_rank) {
            let id = |rank| self.program.ladder.tier_id(rank).to_owned();
            let (from_tier_id, to_tier_id) = (id(from_rank), id(to_rank));
            self.announce(Event::TierChanged {
                from_tier_id,
                to_tier_id,
                from_rank,
                to_rank,
                effective_time,
            });
        }
        let mut out = self.out;
        let tier_end = self.program.ladder.end_time(out.wallet.spend, self.program.time_zone);
        out.wallet.next_due = out.wallet.next_expire.min(tier_end);
        let (next_expire, warned_until) = (out.wallet.next_expire, out.wallet.warned_until);
        out.wallet.next_warn = next_warn(self.program.time_zone, next_expire, warned_until);
        let events = i64::try_from(out.events.len()).map_err(|_| Refusal::AmountOverflow)?;
        out.wallet.event_seq = plus(out.wallet.event_seq, events)?;
        if out.wallet != self.before.wallet || out.activity.is_some() {
            out.wallet.now = self.now;
            next(&mut out.wallet.version)?;
        }
        check(&out);
        Ok(out)
    }
}

/// What must hold after every command, whatever it was. A failure is a bug, caught by the command's guard.
fn check(out: &Outcome) {
    let t = &out.wallet.totals;
    assert!(
        t.available >= 0 && t.pending >= 0 && t.held >= 0 && t.arrears >= 0,
        "a member account is negative"
    );
    let sum = |values: &[i64]| values.iter().map(|v| i128::from(*v)).sum::<i128>();
    let member = sum(&[t.available, t.pending, t.held]).checked_sub(i128::from(t.arrears));
    let program = sum(&[t.issued, t.adjusted]).checked_sub(sum(&[t.redeemed, t.expired, t.reversed]));
    assert!(member == program, "member and program accounts differ");
    assert!(
        out.lots.values().all(|l| (0..=l.points).contains(&l.remaining)),
        "a lot holds what it cannot hold"
    );
}

pub(super) fn plus(a: i64, b: i64) -> Result<i64, Refusal> {
    a.checked_add(b).ok_or(Refusal::AmountOverflow)
}

pub(super) fn minus(a: i64, b: i64) -> Result<i64, Refusal> {
    a.checked_sub(b).ok_or(Refusal::AmountOverflow)
}

fn next(counter: &mut i64) -> Result<i64, Refusal> {
    *counter = plus(*counter, 1)?;
    Ok(*counter)
}
