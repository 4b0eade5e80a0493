//! What the model knows of points that are held for a reward, and of those that were spent on one.

use std::collections::BTreeMap;

use crate::model::{DAY, Do, Model, count};
use crate::model_rewards::{Part, Receipt, Wish, index};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Held,
    Captured,
    Voided,
    Expired,
}

#[derive(Clone, Debug)]
pub(crate) struct Hold {
    pub(crate) key: u32,
    pub(crate) reward: usize,
    /// The lot of each point, in the order in which they were taken.
    pub(crate) from: Vec<usize>,
    pub(crate) made: i64,
    pub(crate) until: i64,
    pub(crate) stage: Stage,
    pub(crate) receipt: Receipt,
}

impl Do {
    /// What is wanted.
    pub fn wish(self) -> Option<Wish> {
        match self {
            Do::Redeem(_, wish) | Do::Hold(_, wish, _) => Some(wish),
            _ => None,
        }
    }

    /// The key of what is held already.
    pub fn held(self) -> Option<u32> {
        match self {
            Do::Capture(key, _) | Do::Void(key) | Do::Lengthen(key, _) | Do::Refund(key, _) => Some(key),
            _ => None,
        }
    }
}

impl Hold {
    /// The points and units of a part of what is held.
    fn portion(&self, part: Part) -> (i64, i64) {
        let Receipt { points: price, units, .. } = self.receipt;
        match part {
            Part::All => (price, units),
            Part::Points(points) => (points, units),
            Part::Units(some) => (price / units * some, some),
        }
    }

    /// The points of a part of what was spent and not given back. Each unit did cost as much as the others,
    /// the first ones a point more if that does not go evenly.
    fn portion_spent(&self, part: Part) -> i64 {
        let Receipt { captured, refunded, units_captured: units, .. } = self.receipt;
        let costs = |unit: i64| (captured * unit + units - 1) / units;
        match part {
            Part::All => captured - refunded,
            Part::Points(points) => points,
            Part::Units(some) => {
                let given_back = (0..units).take_while(|unit| costs(unit + 1) <= refunded).count();
                let first = count(given_back);
                if first + some > units { captured + 1 } else { costs(first + some) - costs(first) }
            }
        }
    }
}

impl Model {
    pub(crate) fn hold(
        &mut self,
        key: u32,
        reward: usize,
        receipt: Receipt,
        seconds: i64,
    ) -> Result<(), &'static str> {
        let (from, made, stage) = (self.afford(receipt.points)?, self.now, Stage::Held);
        let until = made + seconds * 1_000_000;
        self.holds.push(Hold { key, reward, from, made, until, stage, receipt });
        Ok(())
    }

    /// What happens to points that are held already.
    pub(crate) fn go_on(&mut self, i: usize, command: Do) -> Result<(), &'static str> {
        let mut hold = self.holds[i].clone();
        match (hold.stage, matches!(command, Do::Refund(..))) {
            (Stage::Held, false) | (Stage::Captured, true) => {}
            (Stage::Held, true) => return Err("NOT_CAPTURED"),
            (Stage::Captured, false) => return Err("ALREADY_CAPTURED"),
            (Stage::Voided, _) => return Err("ALREADY_VOIDED"),
            (Stage::Expired, _) => return Err("HOLD_EXPIRED"),
        }
        let (all, kept) = (hold.receipt.points, hold.receipt.captured - hold.receipt.refunded);
        let back = match command {
            Do::Capture(_, part) => {
                let (points, units) = hold.portion(part);
                if points > all || units > hold.receipt.units {
                    return Err("CAPTURE_EXCEEDS_HOLD");
                }
                (hold.receipt.captured, hold.receipt.units_captured) = (points, units);
                hold.stage = Stage::Captured;
                self.redeemed += points;
                hold.from[index(points)..].to_vec()
            }
            Do::Refund(_, part) => {
                let points = hold.portion_spent(part);
                if points > kept || kept == 0 {
                    return Err("REFUND_EXCEEDS_REDEMPTION");
                }
                hold.receipt.refunded += points;
                self.redeemed -= points;
                hold.from[index(kept - points)..index(kept)].to_vec()
            }
            Do::Lengthen(_, seconds) => {
                let until = self.now + seconds * 1_000_000;
                if until > hold.made + 30 * DAY && until > hold.until {
                    return Err("HOLD_ENDS");
                }
                hold.until = hold.until.max(until);
                Vec::new()
            }
            _ => {
                hold.stage = Stage::Voided;
                hold.from.clone()
            }
        };
        let made = hold.made;
        self.holds[i] = hold;
        self.come_back(&back, self.now, made);
        Ok(())
    }

    /// Whoever leaves gets back what is on hold, forfeits all that is left, and owes nothing any more.
    pub(crate) fn forfeit(&mut self) -> i64 {
        let mut open: Vec<usize> = (0..self.holds.len()).collect();
        open.retain(|i| self.holds[*i].stage == Stage::Held);
        open.sort_by_key(|i| (self.holds[*i].until, self.holds[*i].key));
        for i in open {
            self.holds[i].stage = Stage::Voided;
            let hold = self.holds[i].clone();
            self.come_back(&hold.from, self.now, hold.made);
        }
        let points = self.lots.iter().map(|lot| lot.left).sum();
        (0..self.lots.len()).for_each(|i| self.expire_at(i, self.now));
        self.waived += std::mem::take(&mut self.arrears);
        points
    }

    /// Points go back to the lots that they were taken from.
    pub(crate) fn come_back(&mut self, points: &[usize], at: i64, redeemed: i64) {
        let mut to: BTreeMap<usize, usize> = BTreeMap::new();
        let mut back: Vec<(usize, i64)> = Vec::new();
        for i in points {
            let to = *to.entry(*i).or_insert_with(|| self.continued(*i, at));
            self.lots[to].left += 1;
            match back.last_mut() {
                Some((last, points)) if *last == to => *points += 1,
                _ => back.push((to, 1)),
            }
        }
        let late: Vec<usize> = to.into_iter().filter(|(from, to)| from != to).map(|(_, to)| to).collect();
        back.into_iter().for_each(|(i, points)| self.take_outstanding(i, points, redeemed));
        self.repay();
        for i in late {
            match self.policy.grace_days {
                _ if self.lots[i].left == 0 => {}
                Some(days) => self.lots[i].expiry = at + days * DAY,
                None => self.expire_at(i, at),
            }
        }
    }
}
