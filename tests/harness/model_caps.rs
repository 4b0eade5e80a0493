//! What the model knows of caps: how much a purchase may earn beside others of its period, and what counts of
//! it once a part is given back.

use chrono::Datelike;

use crate::model::{Model, date};
use crate::model_returns::Purchase;

/// The most that purchases of a period earn.
#[derive(Clone, Copy, Debug)]
pub struct Cap {
    /// Points.
    pub points: i64,
    /// When they are counted anew.
    pub anew: Anew,
    /// A purchase that would earn more is refused.
    pub rejects: bool,
    /// It is the budget of the program, which has one member.
    pub of_program: bool,
}

/// When points are counted anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anew {
    /// With each purchase.
    Purchase,
    /// Each day.
    Day,
    /// Each month.
    Month,
    /// Never.
    Never,
}

impl Model {
    /// What a purchase at a moment may earn.
    pub(crate) fn room(&self, at: i64) -> i64 {
        let Some(cap) = self.policy.cap else { return i64::MAX };
        let period = |at: i64| match cap.anew {
            Anew::Day => (date(at).year(), date(at).ordinal()),
            Anew::Month => (date(at).year(), date(at).month()),
            Anew::Never | Anew::Purchase => (0, 0),
        };
        let others = self.purchases.values().filter(|_| cap.anew != Anew::Purchase);
        let beside = others.filter(|other| period(other.at) == period(at));
        (cap.points - beside.map(|other| self.kept(other)).sum::<i64>()).max(0)
    }

    /// What is left of a purchase earns: with no more room than it had.
    pub(crate) fn kept(&self, purchase: &Purchase) -> i64 {
        if purchase.over { 0 } else { self.worth(purchase.cents - purchase.returned).min(purchase.room) }
    }

    /// What a purchase earns of so many points.
    pub(crate) fn capped(&self, points: i64, room: i64) -> Result<i64, &'static str> {
        let rejects = self.policy.cap.is_some_and(|cap| cap.rejects);
        if points > room && rejects { Err("LIMIT_REACHED") } else { Ok(points.min(room)) }
    }
}
