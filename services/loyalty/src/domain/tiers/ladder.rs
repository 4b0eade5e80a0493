//! The ladder: which credits reach which tier, how long it is held, and what it is good for.

use chrono::NaiveDate;

use super::super::{Activity, ActivityKind, ActivityState, Currency, Money};
use super::window::{Window, days_later};

/// The tiers of a program, lowest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// Lowest first; the first is reached with nothing. Empty: no tiers.
    pub tiers: Vec<Tier>,
    /// How they are reached and lost.
    pub policy: TierPolicy,
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
}

/// An amount of what counts for tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credits {
    /// What was paid.
    Spend(Money),
    /// How many activities or units.
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
        [Basis::Spend, Basis::Activities, Basis::Units].into_iter().find(|basis| *basis as i32 == number)
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
            Basis::Spend | Basis::Activities | Basis::Units => 0,
        }
    }

    /// So many credits as what they are.
    pub fn amount(&self, credits: i64, currency: Currency) -> Credits {
        match self.basis {
            Basis::Spend => Credits::Spend(Money { currency, micros: credits }),
            Basis::Activities | Basis::Units => Credits::Count(credits),
        }
    }

    /// The first day on which a tier has ended that was qualified for on `date`, grace included.
    pub(super) fn end_of_hold(&self, opened: NaiveDate, date: NaiveDate) -> Option<NaiveDate> {
        self.end(self.window.end_of_hold(opened, date))
    }

    /// The same of a tier that ends with a period, by the first day after it.
    pub(super) fn end(&self, day: Option<NaiveDate>) -> Option<NaiveDate> {
        let day = day.filter(|_| self.downgrade != Downgrade::Never)?;
        Some(days_later(day, self.grace_days))
    }
}

impl Ladder {
    /// A ladder that counts spend over calendar years.
    pub fn of(tiers: Vec<Tier>) -> Ladder {
        Ladder { tiers, policy: TierPolicy::default() }
    }

    /// The position of the lowest tier: 1, or 0 without tiers.
    pub fn lowest(&self) -> u32 {
        u32::from(!self.tiers.is_empty())
    }

    /// The position of the highest tier that these credits reach, from 1; 0 without tiers.
    pub(super) fn reached(&self, credits: i64) -> u32 {
        self.highest(|_, tier| tier.entry <= credits)
    }

    /// The position of the highest tier below `rank` that these credits keep.
    pub(super) fn kept_below(&self, rank: u32, credits: i64) -> u32 {
        self.highest(|at, tier| at < rank && tier.keep <= credits)
    }

    fn highest(&self, fits: impl Fn(u32, &Tier) -> bool) -> u32 {
        let fitting = (1..).zip(&self.tiers).filter(|(rank, tier)| fits(*rank, tier));
        fitting.map(|(rank, _)| rank).last().unwrap_or(self.lowest())
    }

    /// The tier at a position, from 1.
    pub fn tier(&self, rank: u32) -> Option<&Tier> {
        self.tiers.get(usize::try_from(rank).ok()?.checked_sub(1)?)
    }

    /// The id of the tier at a position; empty for 0.
    pub fn tier_id(&self, rank: u32) -> &str {
        self.tier(rank).map_or("", |t| t.id.as_str())
    }

    /// Points that activities earn in a tier, in percent of what rules grant before they multiply.
    pub fn earn_percent(&self, rank: u32) -> i64 {
        self.tier(rank).map_or(100, |tier| tier.earn_percent)
    }

    /// What so many points cost in a tier.
    pub fn discounted(&self, rank: u32, points: i64) -> i64 {
        let percent = self.tier(rank).map_or(0, |tier| tier.discount_percent);
        let saved = i128::from(points).saturating_mul(i128::from(percent)).div_euclid(100);
        points.saturating_sub(i64::try_from(saved).unwrap_or(0))
    }
}
