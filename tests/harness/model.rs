//! A model of one wallet, written from the design page alone: lists that are scanned and sums that are taken
//! anew. It is slow and short, so that what it says can be believed.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate};

use crate::model_caps::Cap;
use crate::model_holds::{Hold, Stage};
use crate::model_life::Life;
use crate::model_returns::Purchase;
use crate::model_rewards::{Part, Receipt, Wish};
use crate::model_tiers::Tiers;

/// A day in microseconds.
pub const DAY: i64 = 86_400_000_000;
pub(crate) const NEVER: i64 = i64::MAX;

/// When points may be spent.
#[derive(Clone, Copy, Debug)]
pub enum Release {
    /// At once.
    AtOnce,
    /// So many days after the activity, or when it is confirmed.
    AfterDays(i64),
    /// When it is confirmed.
    OnConfirmation,
}

/// What is taken of what is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// Pending points of the activity.
    OnlyPending,
    /// Available points, too.
    WithinBalance,
    /// All, if need be as arrears.
    Unlimited,
}

/// The rules of a program whose days are those of UTC.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Points for each whole dollar of an amount.
    pub points_per_dollar: i64,
    /// When points may be spent.
    pub release: Release,
    /// The most that is earned.
    pub cap: Option<Cap>,
    /// How long they live from then on.
    pub life: Life,
    /// Each purchase and each redemption lets all points live as long as if they were earned at its moment.
    pub sliding: bool,
    /// What is taken back.
    pub returns: Returns,
    /// How many days points live that come back to a lot which expired meanwhile; none: they expire at once.
    pub grace_days: Option<i64>,
    /// How tiers are reached and lost.
    pub tiers: Tiers,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Do {
    /// Record a purchase with this key, of so many cents, at this moment.
    Buy {
        /// The caller's own key.
        key: u32,
        /// The amount.
        cents: i64,
        /// When it happened.
        at: i64,
    },
    /// Confirm the purchase with this key.
    Confirm(u32),
    /// Cancel it.
    Cancel(u32),
    /// Give so many cents of it back, or all that is left.
    Return(u32, Option<i64>),
    /// Give or take points by hand.
    Adjust(i64),
    /// Have a reward, under this key.
    Redeem(u32, Wish),
    /// Hold it, and its points, under this key for so many seconds.
    Hold(u32, Wish, i64),
    /// Spend points that are held under this key.
    Capture(u32, Part),
    /// Give them back.
    Void(u32),
    /// Hold them for so many seconds from now on.
    Lengthen(u32, i64),
    /// Give points back that were spent.
    Refund(u32, Part),
    /// Let points live up to the second moment that would expire before the first.
    Extend(i64, i64),
    /// Give back what expired at this moment or later.
    Reinstate(i64),
    /// Keep the member from acting, let it act again, or end its membership.
    Become(Standing),
    /// Apply what is due.
    Settle,
}

/// Whether a member may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Active,
    /// It may neither earn nor spend.
    Suspended,
    /// It has left.
    Closed,
}

impl Do {
    /// It is about points of one currency.
    pub fn names_currency(self) -> bool {
        let of_one = matches!(self, Do::Adjust(_) | Do::Extend(..) | Do::Reinstate(_));
        of_one || self.wish().is_some() || self.held().is_some()
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was done.
    Done,
    /// So many points were earned.
    Earned(i64),
    /// So many points were released.
    Released(i64),
    /// So many points live longer, or were given back.
    Points(i64),
    /// A reward is had, or held.
    Redeemed(Receipt),
    /// So many of its points were given back.
    Refunded(Receipt, i64),
    /// Points owed, taken while pending, taken while available, in arrears, waived.
    Back([i64; 5]),
    /// It was refused for this reason.
    Refused(&'static str),
}

/// Pending, available, arrears, issued, reversed, redeemed, expired, adjusted, waived, held.
pub type Totals = [i64; 10];

#[derive(Clone, Debug)]
pub(crate) struct Lot {
    pub(crate) key: Option<u32>,
    number: usize,
    points: i64,
    pub(crate) left: i64,
    pub(crate) pending: bool,
    release: i64,
    pub(crate) expiry: i64,
}

/// One wallet.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) policy: Policy,
    joined: i64,
    pub(crate) now: i64,
    /// Points that had not expired at the first moment do not before the second.
    alive: (i64, i64),
    pub(crate) lots: Vec<Lot>,
    pub(crate) purchases: BTreeMap<u32, Purchase>,
    pub(crate) holds: Vec<Hold>,
    pub(crate) expired: BTreeMap<usize, i64>,
    pub(crate) arrears: i64,
    pub(crate) redeemed: i64,
    adjusted: i64,
    pub(crate) waived: i64,
    /// What was waived because points were gone, and when: it is taken of those that come back.
    pub(crate) outstanding: Vec<(i64, i64)>,
}

impl Model {
    /// An empty wallet.
    pub fn new(policy: Policy, now: i64) -> Model {
        Model {
            policy,
            joined: now,
            now,
            alive: (i64::MIN, i64::MIN),
            lots: Vec::new(),
            purchases: BTreeMap::new(),
            holds: Vec::new(),
            expired: BTreeMap::new(),
            arrears: 0,
            redeemed: 0,
            adjusted: 0,
            waived: 0,
            outstanding: Vec::new(),
        }
    }

    /// The balance after the last answer.
    pub fn totals(&self) -> Totals {
        let purchases = || self.purchases.values();
        let pending = self.lots.iter().filter(|lot| lot.pending).map(|lot| lot.left).sum();
        let issued = purchases().map(|p| p.points).sum();
        let reversed = purchases().map(|p| p.owed).sum();
        let expired = self.expired.values().sum();
        let rest = (self.redeemed, expired, self.adjusted, self.waived);
        let (redeemed, expired, adjusted, waived) = rest;
        let open = self.holds.iter().filter(|hold| hold.stage == Stage::Held);
        let held = open.map(|hold| count(hold.from.len())).sum();
        [pending, self.available(), self.arrears, issued, reversed, redeemed, expired, adjusted, waived, held]
    }

    /// The tier, from 1.
    pub fn tier(&self) -> usize {
        let spent = self.purchases.values().map(|p| (date(p.at), p.cents - p.returned));
        self.policy.tiers.at(date(self.joined), &spent.collect::<Vec<_>>(), date(self.now))
    }

    pub(crate) fn available(&self) -> i64 {
        self.lots.iter().filter(|lot| !lot.pending).map(|lot| lot.left).sum()
    }

    pub(crate) fn settle(&mut self, now: i64) {
        self.now = now;
        loop {
            let holding = self.lots.iter().enumerate().filter(|(_, lot)| lot.left > 0);
            let due = holding.map(
                |(i, lot)| {
                    if lot.pending { (lot.release, 1, i) } else { (self.expiry(lot), 0, i) }
                },
            );
            let open = self.holds.iter().enumerate().filter(|(_, hold)| hold.stage == Stage::Held);
            let due = due.chain(open.map(|(i, hold)| (hold.until, 2, i)));
            match due.min().filter(|(at, ..)| *at <= self.now) {
                None => return,
                Some((_, 0, i)) => self.expire(i),
                Some((at, 1, i)) => {
                    self.release(i, at);
                    self.repay();
                }
                Some((at, _, i)) => {
                    self.holds[i].stage = Stage::Expired;
                    let hold = self.holds[i].clone();
                    self.come_back(&hold.from, at, hold.made);
                }
            }
        }
    }

    fn release(&mut self, i: usize, at: i64) {
        let lot = &mut self.lots[i];
        (lot.pending, lot.release, lot.expiry) =
            (false, at, if lot.expiry == NEVER { self.policy.life.end(at) } else { lot.expiry });
    }

    pub(crate) fn expiry(&self, lot: &Lot) -> i64 {
        let (since, until) = self.alive;
        if lot.expiry <= since { lot.expiry } else { lot.expiry.max(until) }
    }

    pub(crate) fn slide(&mut self, at: i64) {
        if self.policy.sliding {
            let (since, until) = self.alive;
            let end = self.policy.life.end(at);
            // Before a gap, unless what is told late fills it.
            let fills = at < since && end > since;
            self.alive = (if at >= until || fills { at } else { since }, until.max(end));
        }
    }

    pub(crate) fn expire(&mut self, i: usize) {
        self.expire_at(i, self.expiry(&self.lots[i]));
    }

    pub(crate) fn expire_at(&mut self, i: usize, at: i64) {
        self.lots[i].expiry = at;
        let left = std::mem::take(&mut self.lots[i].left);
        *self.expired.entry(i).or_default() += left;
    }

    pub(crate) fn repay(&mut self) {
        let points = self.arrears.min(self.available());
        self.arrears -= points;
        self.spend(points);
    }

    /// A lot that is emptied keeps the end that it had then.
    pub(crate) fn take(&mut self, i: usize, points: i64) {
        self.lots[i].left -= points;
        if self.lots[i].left == 0 && points > 0 && !self.lots[i].pending {
            self.lots[i].expiry = self.expiry(&self.lots[i]);
        }
    }

    /// Earliest expiry first, then the oldest. Tells the lot of each point.
    pub(crate) fn spend(&mut self, mut points: i64) -> Vec<usize> {
        let mut from = Vec::new();
        let mut order: Vec<usize> = (0..self.lots.len()).filter(|i| !self.lots[*i].pending).collect();
        order.sort_by_key(|i| (self.lots[*i].expiry, self.lots[*i].number));
        for i in order {
            let taken = points.min(self.lots[i].left);
            self.take(i, taken);
            from.extend(std::iter::repeat_n(i, usize::try_from(taken).expect("points")));
            points -= taken;
        }
        assert_eq!(points, 0, "more was spent than there was");
        from
    }

    fn open(&mut self, key: Option<u32>, points: i64, release: i64, pending: bool) -> usize {
        let expiry = self.policy.life.end(release);
        let number = self.lots.len();
        self.lots.push(Lot { key, number, points, left: points, pending, release, expiry });
        number
    }

    /// The lot that points come back to at a moment: one that ends by itself if this one has ended.
    pub(crate) fn continued(&mut self, i: usize, at: i64) -> usize {
        let has_ended = self.expiry(&self.lots[i]) <= at;
        if !has_ended && self.expired.get(&i).is_none_or(|points| *points == 0) {
            return i;
        }
        let (number, expiry) = (self.lots.len(), self.expiry(&self.lots[i]));
        self.lots.push(Lot { number, left: 0, pending: false, expiry, ..self.lots[i].clone() });
        number
    }

    pub(crate) fn worth(&self, cents: i64) -> i64 {
        cents * self.policy.points_per_dollar / 100
    }

    /// What is not about rewards.
    pub(crate) fn decide(&mut self, command: Do) -> Result<Told, &'static str> {
        match command {
            Do::Settle => Ok(Told::Done),
            Do::Buy { key, cents, at } => self.buy(key, cents, at),
            Do::Confirm(key) => {
                self.counting(key)?;
                let waiting = |lot: &&Lot| lot.key == Some(key) && lot.pending && lot.left > 0;
                let lots: Vec<usize> = self.lots.iter().filter(waiting).map(|lot| lot.number).collect();
                let points = lots.iter().map(|i| self.lots[*i].left).sum();
                lots.into_iter().for_each(|i| self.release(i, self.now));
                self.repay();
                Ok(Told::Released(points))
            }
            Do::Cancel(key) => self.cancel(key),
            Do::Return(key, cents) => self.give_back(key, cents),
            Do::Adjust(points) if points > 0 => {
                self.open(None, points, self.now, false);
                self.adjusted += points;
                self.repay();
                Ok(Told::Done)
            }
            Do::Adjust(points) => {
                self.afford(-points)?;
                self.adjusted += points;
                Ok(Told::Done)
            }
            Do::Extend(before, to) => self.extend(before, to),
            Do::Reinstate(since) => Ok(self.reinstate(since)),
            _ => unreachable!("rewards are had of all purses"),
        }
    }

    fn extend(&mut self, before: i64, to: i64) -> Result<Told, &'static str> {
        if to <= self.now {
            return Err("EXPIRES_IN_PAST");
        }
        let mut points = 0;
        let mut on_hold: BTreeMap<usize, i64> = BTreeMap::new();
        let holds = self.holds.iter().filter(|hold| hold.stage == Stage::Held);
        holds.flat_map(|hold| &hold.from).for_each(|i| *on_hold.entry(*i).or_default() += 1);
        for i in 0..self.lots.len() {
            let has_ended = self.expired.get(&i).is_some_and(|points| *points > 0);
            let held =
                if has_ended && self.lots[i].left == 0 { 0 } else { on_hold.get(&i).copied().unwrap_or(0) };
            let there = self.lots[i].left + held;
            let ends = (self.now + 1..before.min(to)).contains(&self.expiry(&self.lots[i]));
            if there > 0 && ends {
                points += there;
                self.lots[i].expiry = to;
            }
        }
        Ok(Told::Points(points))
    }

    /// Only of purchases of which nothing was given back.
    fn reinstate(&mut self, since: i64) -> Told {
        let mut points = 0;
        let untouched = |key: u32| !self.purchases[&key].touched;
        for (i, lot) in self.lots.iter_mut().enumerate() {
            if lot.key.is_none_or(untouched) && lot.expiry >= since {
                let back = self.expired.remove(&i).unwrap_or(0);
                if back > 0 {
                    let expiry = self.policy.life.end(self.now);
                    lot.expiry = if lot.left > 0 { lot.expiry.max(expiry) } else { expiry };
                    lot.left += back;
                    points += back;
                }
            }
        }
        self.repay();
        Told::Points(points)
    }

    pub(crate) fn afford(&mut self, points: i64) -> Result<Vec<usize>, &'static str> {
        if self.available() < points {
            return Err("INSUFFICIENT_POINTS");
        }
        Ok(self.spend(points))
    }

    fn buy(&mut self, key: u32, cents: i64, at: i64) -> Result<Told, &'static str> {
        if self.purchases.contains_key(&key) {
            return Err("ACTIVITY_EXISTS");
        }
        let at = at.min(self.now);
        let room = self.room(at);
        let points = self.capped(self.worth(cents), room)?;
        self.purchases.insert(key, Purchase::made(cents, at, (points, room)));
        self.slide(at);
        if points > 0 {
            let release = match self.policy.release {
                Release::AtOnce => at,
                Release::AfterDays(days) => at + days * DAY,
                Release::OnConfirmation => NEVER,
            };
            let i = self.open(Some(key), points, release, release > self.now);
            if self.expiry(&self.lots[i]) <= self.now {
                self.expire(i);
            }
            self.repay();
        }
        Ok(Told::Earned(points))
    }

    /// Points of all lots, and what became of them, must always add up.
    pub fn assert_sound(&self) {
        let [pending, available, arrears, issued, reversed, redeemed, expired, adjusted, waived, held] =
            self.totals();
        assert!(available >= 0 && pending >= 0 && arrears >= 0 && held >= 0);
        assert_eq!(
            pending + available + held - arrears,
            issued + adjusted + waived - reversed - redeemed - expired,
            "{self:?}"
        );
        assert!(self.lots.iter().all(|lot| (0..=lot.points).contains(&lot.left)));
    }
}

pub(crate) fn count(points: usize) -> i64 {
    i64::try_from(points).expect("points")
}

pub(crate) fn date(at: i64) -> NaiveDate {
    DateTime::from_timestamp_micros(at).expect("a moment that can be written").date_naive()
}
