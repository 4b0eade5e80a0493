//! How many points will probably never be redeemed, from what became of lots that ended, by their age.
//!
//! An estimate, and the only thing about points that is one; its arithmetic is in whole numbers all the same.

use std::collections::BTreeMap;

use super::Month;

/// What became of points of lots that could be spent since the same month, in one month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Spent on rewards less given back.
    pub spent: i64,
    /// Expired less reinstated.
    pub expired: i64,
}

/// What ended, by the month since which it could be spent and the month in which it ended.
pub type Endings = BTreeMap<(Month, Month), Ended>;

/// An estimate and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breakage {
    /// Points that will probably never be redeemed.
    pub points: i64,
    /// What they are estimated of.
    pub open: i64,
    /// Points that were spent or expired, of observed vintages.
    pub observed: i64,
    /// Of these, those that expired.
    pub observed_expired: i64,
    /// Vintages observed.
    pub vintages: usize,
    /// By age in months, from 0.
    pub ages: Vec<Age>,
}

/// What is known of lots of an age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Age {
    /// Points of open lots of the sample; in the last one also of older lots.
    pub open: i64,
    /// Points of observed vintages that were unspent at this age.
    pub unspent: i64,
    /// Of these, those that expired in the end.
    pub expired: i64,
}

/// Fewer points than this are too little to rest an estimate on.
const OBSERVED_MIN: i64 = 1_000;
/// A vintage is observed once at most one part of so many is still open.
const OPEN_PART: i64 = 10;
/// No curve is longer than this, in months.
const AGE_MAX: i32 = 1_200;

impl Age {
    /// The share that expired in the end, in basis points, from 0 to 10000.
    pub fn share_basis_points(&self) -> i32 {
        basis_points(self.expired, self.unspent)
    }
}

/// Part of a whole in basis points, rounded down; 0 of nothing.
pub fn basis_points(part: i64, whole: i64) -> i32 {
    let share = i128::from(part).saturating_mul(10_000).checked_div(i128::from(whole)).unwrap_or(0);
    i32::try_from(share.clamp(0, 10_000)).unwrap_or(0)
}

/// Estimates how many of so many points in open lots will expire, from a sample of these lots, given by the
/// month since which they can be spent, and from what became of others. None if there is too little to rest
/// it on.
pub fn estimate(points: i64, open: &BTreeMap<Month, i64>, endings: &Endings, now: Month) -> Option<Breakage> {
    let ended = observed(open, endings, now);
    let vintages = ended.len();
    let mut ages = curve(&ended)?;
    let all = ages.first().copied().unwrap_or_default();
    if all.unspent < OBSERVED_MIN {
        return None;
    }
    let last = ages.len().saturating_sub(1);
    for (since, points) in open {
        let age = usize::try_from(now.since(*since)).unwrap_or(0).min(last);
        if let Some(age) = ages.get_mut(age) {
            age.open = age.open.saturating_add(*points);
        }
    }
    let lost = |age: &Age| i128::from(age.open).saturating_mul(i128::from(age.share_basis_points()));
    let lost = ages.iter().map(lost).fold(0_i128, i128::saturating_add);
    let sampled = ages.iter().map(|age| i128::from(age.open)).fold(0_i128, i128::saturating_add);
    let lost = lost.saturating_mul(i128::from(points)).checked_div(sampled.saturating_mul(10_000));
    Some(Breakage {
        points: i64::try_from(lost.unwrap_or(0)).unwrap_or(points),
        open: points,
        observed: all.unspent,
        observed_expired: all.expired,
        vintages,
        ages,
    })
}

/// What became of each vintage whose lots ended, by age.
fn observed(open: &BTreeMap<Month, i64>, endings: &Endings, now: Month) -> Vec<BTreeMap<i32, Ended>> {
    let mut vintages: BTreeMap<Month, BTreeMap<i32, Ended>> = BTreeMap::new();
    for ((since, end), ended) in endings.iter().filter(|((since, _), _)| *since < now) {
        let age = end.since(*since).clamp(0, AGE_MAX);
        let sum = vintages.entry(*since).or_default().entry(age).or_default();
        sum.spent = sum.spent.saturating_add(ended.spent);
        sum.expired = sum.expired.saturating_add(ended.expired);
    }
    let over = |since: &Month, ages: &BTreeMap<i32, Ended>| {
        let ended = ages.values().fold(0_i64, |sum, e| sum.saturating_add(e.spent).saturating_add(e.expired));
        let left = open.get(since).copied().unwrap_or(0);
        ended > 0 && left.saturating_mul(OPEN_PART) <= ended.saturating_add(left)
    };
    vintages.into_iter().filter(|(since, ages)| over(since, ages)).map(|(_, ages)| ages).collect()
}

/// From each age on: what was unspent, and what of that expired. Ends with the last age at which something
/// was.
fn curve(vintages: &[BTreeMap<i32, Ended>]) -> Option<Vec<Age>> {
    let oldest = vintages.iter().filter_map(|ages| ages.keys().next_back()).max()?;
    let mut ages = vec![Age::default(); usize::try_from(*oldest).ok()?.saturating_add(1)];
    for (age, ended) in vintages.iter().flatten() {
        if let Some(at) = usize::try_from(*age).ok().and_then(|age| ages.get_mut(age)) {
            at.unspent = at.unspent.saturating_add(ended.spent).saturating_add(ended.expired);
            at.expired = at.expired.saturating_add(ended.expired);
        }
    }
    let mut later = Age::default();
    for age in ages.iter_mut().rev() {
        age.unspent = age.unspent.saturating_add(later.unspent);
        age.expired = age.expired.saturating_add(later.expired);
        later = *age;
    }
    while ages.last().is_some_and(|age| age.unspent <= 0) {
        ages.pop();
    }
    (!ages.is_empty()).then_some(ages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(number: i32) -> Month {
        Month::from_number(number).unwrap()
    }

    fn ended(spent: i64, expired: i64) -> Ended {
        Ended { spent, expired }
    }

    /// Of 2,000 points 1,000 were spent at once, 500 a month later, and 500 expired after three.
    fn endings() -> Endings {
        let january = month(202401);
        Endings::from([
            ((january, january), ended(1_000, 0)),
            ((january, january.plus(1)), ended(500, 0)),
            ((january, january.plus(3)), ended(0, 500)),
        ])
    }

    #[test]
    fn open_lots_lose_the_share_of_their_age() {
        let now = month(202406);
        let open = BTreeMap::from([(now, 400), (now.plus(-1), 100), (now.plus(-2), 30), (now.plus(-9), 7)]);
        let breakage = estimate(537, &open, &endings(), now).unwrap();
        let shares: Vec<i32> = breakage.ages.iter().map(Age::share_basis_points).collect();
        // 500 of 2,000, of 1,000, of 500, of 500.
        assert_eq!(shares, [2_500, 5_000, 10_000, 10_000]);
        assert_eq!(breakage.ages.iter().map(|age| age.open).collect::<Vec<_>>(), [400, 100, 30, 7]);
        assert_eq!((breakage.points, breakage.open), (100 + 50 + 30 + 7, 537));
        assert_eq!((breakage.observed, breakage.observed_expired, breakage.vintages), (2_000, 500, 1));
        let of_more = estimate(5_370, &open, &endings(), now).unwrap();
        assert_eq!((of_more.points, of_more.open), (1_870, 5_370));
    }

    #[test]
    fn what_is_still_open_is_no_observation() {
        let now = month(202406);
        let open = |points| BTreeMap::from([(month(202401), points)]);
        assert!(estimate(222, &open(222), &endings(), now).is_some(), "a tenth of 2,222");
        assert_eq!(estimate(223, &open(223), &endings(), now), None);
        assert_eq!(estimate(0, &open(0), &endings(), month(202401)), None, "the month is not over");
        assert_eq!(estimate(0, &open(0), &Endings::new(), now), None);
        let few = Endings::from([((month(202401), month(202402)), ended(999, 0))]);
        assert_eq!(estimate(0, &open(0), &few, now), None);
    }

    #[test]
    fn what_was_given_back_was_not_in_its_lot_meanwhile() {
        let january = month(202401);
        let endings = Endings::from([
            ((january, january), ended(2_000, 0)),
            ((january, january.plus(2)), ended(-2_000, 0)),
            ((january, january.plus(4)), ended(0, 2_000)),
        ]);
        let breakage = estimate(0, &BTreeMap::new(), &endings, month(202406)).unwrap();
        let unspent: Vec<i64> = breakage.ages.iter().map(|age| age.unspent).collect();
        assert_eq!(unspent, [2_000, 0, 0, 2_000, 2_000]);
        assert_eq!(breakage.ages[3].share_basis_points(), 10_000);
    }
}
