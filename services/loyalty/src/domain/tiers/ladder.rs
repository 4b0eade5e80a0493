//! The ladder: which credits reach which tier, how long it is held, and what it is good for. It may change
//! from a day on, or begin on one: what counts stays, and tiers keep their places.

use chrono::NaiveDate;

use super::super::{Activity, ActivityKind, ActivityState, Currency, Money, Refusal};
use super::window::{Window, days_later};

/// The tiers of a program, lowest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// Lowest first; the first is reached with nothing. Empty: no tiers.
    pub tiers: Vec<Tier>,
    /// How they are reached and lost.
    pub policy: TierPolicy,
    /// What held before, earliest first.
    pub before: Vec<Earlier>,
}

/// What held up to a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// The first local day on which something else held.
    pub end: NaiveDate,
    /// The tiers, none of which is missing among those of later.
    pub tiers: Vec<Tier>,
    /// What followed a tier that was not kept.
    pub downgrade: Downgrade,
    /// A tier that was not kept was held for so many days more.
    pub grace_days: u32,
}

/// What holds on a day.
#[derive(Clone, Copy, Debug)]
pub(in crate::domain) struct Terms<'a> {
    tiers: &'a [Tier],
    pub(super) downgrade: Downgrade,
    grace_days: u32,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Identifier, unique within the program.
    pub id: String,
    /// A name for people.
    pub display_name: String,
    /// Credits within a window that reach it.
    pub entry: i64,
    /// Credits within a window that keep it; at most `entry`.
    pub keep: i64,
    /// Points that activities earn in it, in percent of what rules grant before they multiply; at least 100.
    pub earn_percent: i64,
    /// How much less rewards cost in it, in percent.
    pub discount_percent: i64,
    /// What else it gives, for people.
    pub perks: Vec<String>,
}

/// How tiers are reached and lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TierPolicy {
    /// What counts.
    pub basis: Basis,
    /// The kinds of activities that count; all if empty. Spend is only of purchases anyway.
    pub kinds: Vec<ActivityKind>,
    /// Over which days.
    pub window: Window,
    /// What follows a tier that was not kept.
    pub downgrade: Downgrade,
    /// A tier that was not kept is held for so many days more.
    pub grace_days: u32,
    /// A member whose tier is about to end is warned so many days ahead; 0: never.
    pub warn_days: u32,
}

/// What counts for tiers. The numbers are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i32)]
pub enum Basis {
    /// What was paid and not given back, in millionths of the currency's unit.
    #[default]
    Spend = 1,
    /// How many activities there were that were not taken back as a whole.
    Activities = 2,
    /// The units of their line items that were not given back.
    Units = 3,
    /// What rules granted them of the program's qualifying currency.
    Credits = 4,
}

/// An amount of what counts for tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credits {
    /// What was paid.
    Spend(Money),
    /// How many activities, units or credits.
    Count(i64),
}

/// What follows a tier that was not kept. The numbers are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i32)]
pub enum Downgrade {
    /// The highest tier that the credits keep.
    #[default]
    Recalculate = 1,
    /// The tier below, or a higher one that the credits keep.
    OneDown = 2,
    /// Nothing: tiers are never lost by time.
    Never = 3,
}

impl Basis {
    /// The basis with this stored number.
    pub fn from_number(number: i32) -> Option<Basis> {
        use Basis::{Activities, Credits, Spend, Units};
        [Spend, Activities, Units, Credits].into_iter().find(|basis| *basis as i32 == number)
    }
}

impl Downgrade {
    /// The downgrade with this stored number.
    pub fn from_number(number: i32) -> Option<Downgrade> {
        use Downgrade::{Never, OneDown, Recalculate};
        [Recalculate, OneDown, Never].into_iter().find(|downgrade| *downgrade as i32 == number)
    }
}

impl Tier {
    /// A tier that these credits reach and keep, and that is good for nothing else.
    pub fn plain(id: impl Into<String>, credits: i64) -> Tier {
        let id = id.into();
        Tier {
            display_name: id.clone(),
            id,
            entry: credits,
            keep: credits,
            earn_percent: 100,
            discount_percent: 0,
            perks: Vec::new(),
        }
    }
}

impl TierPolicy {
    /// What an activity counts for tiers as it is now.
    pub fn credits(&self, activity: &Activity) -> i64 {
        let counts = self.kinds.is_empty() || self.kinds.contains(&activity.kind);
        match self.basis {
            Basis::Spend if counts => activity.kind.spend_micros(activity.residual_micros()),
            Basis::Activities if counts => match activity.state {
                ActivityState::Recorded | ActivityState::PartlyReversed => 1,
                ActivityState::Reversed | ActivityState::Cancelled => 0,
            },
            Basis::Units if counts => activity.units_left(),
            Basis::Credits if counts => activity.credits,
            Basis::Spend | Basis::Activities | Basis::Units | Basis::Credits => 0,
        }
    }

    /// So many credits as what they are.
    pub fn amount(&self, credits: i64, currency: Currency) -> Credits {
        match self.basis {
            Basis::Spend => Credits::Spend(Money { currency, micros: credits }),
            Basis::Activities | Basis::Units | Basis::Credits => Credits::Count(credits),
        }
    }
}

impl Terms<'_> {
    /// The first day without a tier that ends with a period, by the first day after that.
    pub(super) fn end(&self, day: Option<NaiveDate>) -> Option<NaiveDate> {
        let day = day.filter(|_| self.downgrade != Downgrade::Never)?;
        Some(days_later(day, self.grace_days))
    }

    /// The position of the highest tier that these credits reach, from 1; 0 without tiers.
    pub(super) fn reached(&self, credits: i64) -> u32 {
        self.highest(|_, tier| tier.entry <= credits)
    }

    /// The position of the highest tier up to `rank` that these credits keep.
    pub(super) fn kept(&self, rank: u32, credits: i64) -> u32 {
        self.highest(|at, tier| at <= rank && tier.keep <= credits)
    }

    fn highest(&self, fits: impl Fn(u32, &Tier) -> bool) -> u32 {
        let fitting = (1..).zip(self.tiers).filter(|(rank, tier)| fits(*rank, tier));
        fitting.map(|(rank, _)| rank).last().unwrap_or(self.lowest())
    }

    /// The position of the lowest tier: 1, or 0 without tiers.
    fn lowest(&self) -> u32 {
        u32::from(!self.tiers.is_empty())
    }

    /// The tier at a position, from 1.
    pub(super) fn tier(&self, rank: u32) -> Option<&Tier> {
        self.tiers.get(usize::try_from(rank).ok()?.checked_sub(1)?)
    }
}

impl Earlier {
    /// Days are judged alike by these terms: only names and perks differ.
    fn holds_as(&self, (downgrade, grace_days, tiers): (Downgrade, u32, &[Tier])) -> bool {
        let judged = |tier: &Tier| (tier.entry, tier.keep, tier.earn_percent, tier.discount_percent);
        (self.downgrade, self.grace_days) == (downgrade, grace_days)
            && self.tiers.iter().map(judged).eq(tiers.iter().map(judged))
    }
}

impl Ladder {
    /// A ladder that counts spend over calendar years.
    pub fn of(tiers: Vec<Tier>) -> Ladder {
        Ladder { tiers, policy: TierPolicy::default(), before: Vec::new() }
    }

    /// What holds on a local day.
    pub(in crate::domain) fn on(&self, day: NaiveDate) -> Terms<'_> {
        match self.before.iter().find(|earlier| day < earlier.end) {
            None => Terms {
                tiers: &self.tiers,
                downgrade: self.policy.downgrade,
                grace_days: self.policy.grace_days,
            },
            Some(earlier) => {
                Terms { tiers: &earlier.tiers, downgrade: earlier.downgrade, grace_days: earlier.grace_days }
            }
        }
    }

    /// The ladder with other terms from a local day on that is not there yet.
    ///
    /// # Errors
    /// `TierInUse` if a tier is missing or has another place, `TierPolicyInUse` if something else would
    /// count.
    pub fn changed(&self, tiers: Vec<Tier>, policy: TierPolicy, from: NaiveDate) -> Result<Ladder, Refusal> {
        let TierPolicy { basis, kinds, window, .. } = &self.policy;
        if (basis, kinds, window) != (&policy.basis, &policy.kinds, &policy.window) {
            return Err(Refusal::TierPolicyInUse);
        }
        let mut before = self.before.clone();
        let TierPolicy { downgrade, grace_days, .. } = self.policy;
        // What would have held from that day on never does.
        let pending = before.pop_if(|last| last.end >= from);
        let now = pending.unwrap_or_else(|| Earlier {
            end: from,
            tiers: self.tiers.clone(),
            downgrade,
            grace_days,
        });
        let moved =
            |(place, tier): &(usize, &Tier)| tiers.get(*place).is_none_or(|other| other.id != tier.id);
        if let Some((_, tier)) = now.tiers.iter().enumerate().find(moved) {
            return Err(Refusal::TierInUse { tier_id: tier.id.clone() });
        }
        let terms = (policy.downgrade, policy.grace_days, tiers.as_slice());
        if !now.holds_as(terms) {
            before.push(now);
        }
        Ok(Ladder { tiers, policy, before })
    }

    /// The fewest credits that ever reached more than the lowest tier: nobody who has less can rise, or rose
    /// on a day that no worker saw.
    pub fn lowest_step(&self) -> i64 {
        let all = self.before.iter().map(|earlier| &earlier.tiers).chain([&self.tiers]);
        all.filter_map(|tiers| tiers.get(1)).map(|tier| tier.entry).min().unwrap_or(i64::MAX)
    }

    /// The first day after this one on which other terms hold.
    pub fn next_change(&self, day: NaiveDate) -> Option<NaiveDate> {
        self.before.iter().map(|earlier| earlier.end).find(|end| *end > day)
    }

    /// The first day on which a tier has ended that was qualified for on `date`, grace included.
    pub(super) fn end_of_hold(&self, opened: NaiveDate, date: NaiveDate) -> Option<NaiveDate> {
        self.on(date).end(self.policy.window.end_of_hold(opened, date))
    }

    /// The position at which a wallet begins that is opened on a local day: that of the lowest tier, which is
    /// 1, or 0 if there was none yet.
    pub fn first_of(&self, opened: NaiveDate) -> u32 {
        self.on(opened).lowest()
    }

    /// The tier at a position, from 1, as it is called now.
    pub fn tier(&self, rank: u32) -> Option<&Tier> {
        self.tiers.get(usize::try_from(rank).ok()?.checked_sub(1)?)
    }

    /// The position of the tier with this id, from 1.
    pub fn rank_of(&self, id: &str) -> Option<u32> {
        (1..).zip(&self.tiers).find(|(_, tier)| tier.id == id).map(|(rank, _)| rank)
    }

    /// The id of the tier at a position; empty for 0.
    pub fn tier_id(&self, rank: u32) -> &str {
        self.tier(rank).map_or("", |t| t.id.as_str())
    }

    /// Points that activities of a local day earn in a tier, in percent of what rules grant before they
    /// multiply.
    pub fn earn_percent(&self, day: NaiveDate, rank: u32) -> i64 {
        self.on(day).tier(rank).map_or(100, |tier| tier.earn_percent)
    }

    /// What so many points cost in a tier on a local day.
    pub fn discounted(&self, day: NaiveDate, rank: u32, points: i64) -> i64 {
        let percent = self.on(day).tier(rank).map_or(0, |tier| tier.discount_percent);
        let saved = i128::from(points).saturating_mul(i128::from(percent)).div_euclid(100);
        points.saturating_sub(i64::try_from(saved).unwrap_or(0))
    }
}
