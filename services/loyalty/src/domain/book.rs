//! The book of one decision: every change goes through it, so totals, lots and postings cannot part.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use ambient::Time;
use uuid::Uuid;

use super::rules::Counter;
use super::tiers::DayCredits;
use super::warn_expiry::next_warn;
use super::{
    Activity, Allocation, Event, HandedOver, Left, Lot, LotKey, Past, Points, Posting, Program, Redemption,
    Referred, Refusal, State, Step, TierRow, Told, Totals, Wallet, local_date,
};

/// Everything to be written and announced. Rows are numbered by the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The wallet after the command; its version grew if anything changed.
    pub wallet: Wallet,
    /// New postings.
    pub postings: Vec<Posting>,
    /// Lots opened or changed, as they are now, by their numbers.
    pub lots: BTreeMap<i64, Lot>,
    /// Keys that lots had before this command and have no more.
    pub moved: Vec<LotKey>,
    /// New allocations.
    pub allocations: Vec<Allocation>,
    /// The activity recorded.
    pub recorded: Option<Activity>,
    /// Activities of before that changed, as they are now, by their ids.
    pub changed: BTreeMap<Uuid, Activity>,
    /// Credits that count for tiers, by their local day; negative if they were taken back.
    pub credits: DayCredits,
    /// Rows of the history of tiers, new ones and such that are superseded, in the order of the changes.
    pub tier_rows: Vec<TierRow>,
    /// Points counted for caps and limits, and in whose names: added if positive.
    pub counted: BTreeMap<(Counter, Uuid), i64>,
    /// The redemption made.
    pub redemption: Option<Redemption>,
    /// Redemptions of before that changed, as they are now, by their ids.
    pub resolved: BTreeMap<Uuid, Redemption>,
    /// Steps of redemptions.
    pub steps: Vec<Step>,
    /// What goes to the second wallet with a member.
    pub handed_over: Option<HandedOver>,
    /// What became of the referral of this friend: its owner, or a member of the household that it is.
    pub referred: Option<(Uuid, Referred)>,
    /// Units taken from the counted stock of rewards, by their ids; negative if they went back.
    pub stock: BTreeMap<String, i64>,
    /// How many codes of which reward's pool were handed out.
    pub handed_out: Option<(String, usize)>,
    /// Announcements, in order; the last has the number `wallet.event_seq`.
    pub events: Vec<Event>,
    /// What the command changed of the second wallet that it names.
    pub other: Option<Box<Outcome>>,
}

/// Lots by their purses: number, points and moment of each.
pub(super) type PerPurse = BTreeMap<u32, Vec<(i64, i64, Time)>>;

#[derive(Clone)]
pub(super) struct Book<'a> {
    pub(super) program: &'a Program,
    pub(super) now: Time,
    pub(super) out: Outcome,
    pub(super) before: &'a State,
    /// How far debits of each purse have come that take stored lots in their order.
    pub(super) reached: BTreeMap<u32, LotKey>,
    /// Lots of `out.lots` that hold points that may be spent.
    pub(super) open: BTreeSet<LotKey>,
    /// Numbers of the lots of `before` that did, once somebody asks.
    pub(super) were_open: OnceCell<HashSet<i64>>,
    pub(super) released: PerPurse,
    pub(super) expired: PerPurse,
    pub(super) reinstated: PerPurse,
    pub(super) tier_changed: Option<Time>,
    /// What reaches back before the standing, as this command leaves it.
    pub(super) past: Option<Past>,
    /// The redemption of before that the command names.
    pub(super) named_redemption: Option<&'a Redemption>,
    /// Codes that may be handed out, the next one first.
    pub(super) codes: &'a [String],
    /// A member comes or leaves, and with it rows of the wallet, whatever becomes of its sums.
    pub(super) hands_over: bool,
}

impl<'a> Book<'a> {
    pub(super) fn open(before: &'a State, program: &'a Program, now: Time) -> Book<'a> {
        let out = Outcome {
            wallet: before.wallet.clone(),
            postings: Vec::new(),
            lots: BTreeMap::new(),
            moved: Vec::new(),
            allocations: Vec::new(),
            recorded: None,
            changed: BTreeMap::new(),
            credits: DayCredits::new(),
            tier_rows: Vec::new(),
            counted: BTreeMap::new(),
            redemption: None,
            resolved: BTreeMap::new(),
            steps: Vec::new(),
            handed_over: None,
            referred: None,
            stock: BTreeMap::new(),
            handed_out: None,
            events: Vec::new(),
            other: None,
        };
        let now = now.max(before.wallet.now);
        Book {
            program,
            now,
            out,
            before,
            reached: BTreeMap::new(),
            open: BTreeSet::new(),
            were_open: OnceCell::new(),
            released: PerPurse::new(),
            expired: PerPurse::new(),
            reinstated: PerPurse::new(),
            tier_changed: None,
            past: before.past.clone(),
            named_redemption: None,
            codes: &[],
            hands_over: false,
        }
    }

    /// Refuses what was meant for another version of the wallet.
    pub(super) fn expect_version(&self, expected: Option<i64>) -> Result<(), Refusal> {
        let actual = self.out.wallet.version;
        match expected {
            Some(expected) if expected != actual => Err(Refusal::VersionMismatch { expected, actual }),
            _ => Ok(()),
        }
    }

    /// What may be spent of a purse now.
    pub(super) fn left(&self, purse: u32) -> Left {
        let available = self.out.wallet.purse(purse).totals.available;
        Left { currency: self.code(purse), available }
    }

    pub(super) fn code(&self, purse: u32) -> String {
        self.program.code_of(purse).to_owned()
    }

    /// Points by the codes of their currencies.
    pub(super) fn told(&self, points: &Points) -> Told {
        let further = points.iter().filter(|(purse, _)| **purse > 0);
        Told {
            main: points.get(&0).copied().unwrap_or(0),
            further: further.map(|(purse, points)| (self.code(*purse), *points)).collect(),
        }
    }

    /// Counts points in the name of a member, or takes them off again if they are negative.
    pub(super) fn count(&mut self, member_id: Uuid, counter: Counter, points: i64) -> Result<(), Refusal> {
        if points != 0 {
            let counted = self.out.counted.entry((counter, member_id)).or_default();
            *counted = plus(*counted, points)?;
        }
        Ok(())
    }

    pub(super) fn announce(&mut self, event: Event) {
        self.out.events.push(event);
    }

    /// Closes the book: adds the announcements that sum up the whole command, numbers them, checks the
    /// totals.
    pub(super) fn close(mut self) -> Result<Outcome, Refusal> {
        for (purse, lots) in std::mem::take(&mut self.released) {
            let left = self.left(purse);
            self.announce(Event::PointsReleased { lots, left });
        }
        for (purse, lots) in std::mem::take(&mut self.expired) {
            let left = self.left(purse);
            self.announce(Event::PointsExpired { lots, left });
        }
        for (purse, lots) in std::mem::take(&mut self.reinstated) {
            let left = self.left(purse);
            self.announce(Event::PointsReinstated { lots, left });
        }
        let (from_rank, to_rank) = (self.before.wallet.tier.rank, self.out.wallet.tier.rank);
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
        let zone = self.program.time_zone;
        let opened = local_date(zone, self.out.wallet.open_time);
        let tier_due = self.out.wallet.tier.due(&self.program.ladder, opened, zone);
        let tier_warn = self.next_tier_warn();
        let mut out = self.out;
        let (next_expire, warned_until) = (out.wallet.next_expire(), out.wallet.warned_until);
        let (next_release, next_hold) = (out.wallet.next_release, out.wallet.next_hold);
        out.wallet.next_due = next_expire.min(next_release).min(next_hold).min(tier_due);
        out.wallet.next_warn = next_warn(zone, next_expire, warned_until).min(tier_warn);
        let events = i64::try_from(out.events.len()).map_err(|_| Refusal::AmountOverflow)?;
        out.wallet.event_seq = plus(out.wallet.event_seq, events)?;
        let counted = !out.credits.is_empty() || !out.counted.is_empty();
        let told = out.recorded.is_some() || !out.changed.is_empty() || out.referred.is_some();
        let others = !out.lots.is_empty() || !out.resolved.is_empty() || told || counted || self.hands_over;
        if others || out.wallet != self.before.wallet {
            out.wallet.now = self.now;
            next(&mut out.wallet.version)?;
        }
        check(&out);
        Ok(out)
    }
}

/// What must hold after every command, whatever it was. A failure is a bug, caught by the command's guard.
fn check(out: &Outcome) {
    out.wallet.purses.iter().for_each(|purse| check_totals(&purse.totals));
    assert!(
        out.lots.values().all(|l| (0..=l.points).contains(&l.remaining)),
        "a lot holds what it cannot hold"
    );
    let begins = |l: &Lot| l.activate_time.is_never() || l.activate_time <= l.key.expire_time;
    assert!(out.lots.values().all(begins), "a lot ends before it begins");
}

fn check_totals(t: &Totals) {
    assert!(
        t.available >= 0 && t.pending >= 0 && t.held >= 0 && t.arrears >= 0,
        "a member account is negative"
    );
    let sum = |values: &[i64]| values.iter().map(|v| i128::from(*v)).sum::<i128>();
    let member = sum(&[t.available, t.pending, t.held]).checked_sub(i128::from(t.arrears));
    assert!(t.arrears == 0 || t.available == 0, "who owes has nothing available");
    let program = sum(&[t.issued, t.adjusted, t.waived, t.transferred])
        .checked_sub(sum(&[t.redeemed, t.expired, t.reversed]));
    assert!(member == program, "member and program accounts differ");
}

pub(super) fn plus(a: i64, b: i64) -> Result<i64, Refusal> {
    a.checked_add(b).ok_or(Refusal::AmountOverflow)
}

pub(super) fn minus(a: i64, b: i64) -> Result<i64, Refusal> {
    a.checked_sub(b).ok_or(Refusal::AmountOverflow)
}

pub(super) fn next(counter: &mut i64) -> Result<i64, Refusal> {
    *counter = plus(*counter, 1)?;
    Ok(*counter)
}
