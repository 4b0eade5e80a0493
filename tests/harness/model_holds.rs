//! What the model knows of points that are held for a reward, and of those that were spent on one.

use crate::model::{DAY, Do, Model, Told, count};

/// How often something may be had for the same price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// So many times.
    pub times: i64,
    /// On one day, otherwise ever.
    pub daily: bool,
}

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
    /// The lot of each point, in the order in which they were taken.
    pub(crate) from: Vec<usize>,
    pub(crate) captured: usize,
    pub(crate) refunded: usize,
    pub(crate) made: i64,
    pub(crate) until: i64,
    pub(crate) stage: Stage,
}

impl Do {
    /// Whoever does it for points of one currency comes by for those of others.
    pub fn comes(self) -> bool {
        matches!(self, Do::Redeem(_) | Do::Hold(..))
    }

    /// The key of what is held already.
    pub fn held(self) -> Option<u32> {
        match self {
            Do::Capture(key, _) | Do::Void(key) | Do::Lengthen(key, _) | Do::Refund(key, _) => Some(key),
            _ => None,
        }
    }
}

impl Model {
    pub(crate) fn redeem(&mut self, points: i64) -> Result<Told, &'static str> {
        self.may_have(points)?;
        self.slide(self.now);
        self.afford(points)?;
        self.redeemed += points;
        self.had.push((points, self.now));
        Ok(Told::Done)
    }

    pub(crate) fn hold(&mut self, key: u32, points: i64, seconds: i64) -> Result<Told, &'static str> {
        self.may_have(points)?;
        self.slide(self.now);
        let (from, made) = (self.afford(points)?, self.now);
        let until = made + seconds * 1_000_000;
        let (captured, refunded, stage) = (0, 0, Stage::Held);
        self.holds.push(Hold { key, from, captured, refunded, made, until, stage });
        Ok(Told::Done)
    }

    /// What was had for a price, and what is held, counts on the day on which that began.
    pub(crate) fn may_have(&self, price: i64) -> Result<(), &'static str> {
        let Some(Limit { times, daily }) = self.policy.limit else { return Ok(()) };
        let counts = |at: i64| !daily || at.div_euclid(DAY) == self.now.div_euclid(DAY);
        let had = self.had.iter().filter(|(of, at)| *of == price && counts(*at));
        let held = self.holds.iter().filter(|hold| {
            let stays = matches!(hold.stage, Stage::Held | Stage::Captured);
            stays && count(hold.from.len()) == price && counts(hold.made)
        });
        if count(had.count() + held.count()) < times { Ok(()) } else { Err("LIMIT_REACHED") }
    }

    /// What happens to points that are held already.
    pub(crate) fn go_on(&mut self, command: Do) -> Result<Told, &'static str> {
        let found = self.holds.iter().position(|hold| Some(hold.key) == command.held());
        let i = found.ok_or("REDEMPTION_NOT_FOUND")?;
        let mut hold = self.holds[i].clone();
        let (refunds, kept) = (matches!(command, Do::Refund(..)), hold.captured - hold.refunded);
        match (hold.stage, refunds) {
            (Stage::Held, false) | (Stage::Captured, true) => {}
            (Stage::Held, true) => return Err("NOT_CAPTURED"),
            (Stage::Captured, false) => return Err("ALREADY_CAPTURED"),
            (Stage::Voided, _) => return Err("ALREADY_VOIDED"),
            (Stage::Expired, _) => return Err("HOLD_EXPIRED"),
        }
        let points = |part: Option<i64>, whole: usize| {
            part.map_or(whole, |points| usize::try_from(points).expect("points"))
        };
        let (told, back) = match command {
            Do::Capture(_, part) => {
                let points = points(part, hold.from.len());
                let back = hold.from.get(points..).ok_or("CAPTURE_EXCEEDS_HOLD")?.to_vec();
                (hold.captured, hold.stage) = (points, Stage::Captured);
                self.redeemed += count(points);
                (Told::Done, back)
            }
            Do::Refund(_, part) => {
                let points = points(part, kept);
                let rest =
                    kept.checked_sub(points).filter(|_| kept > 0).ok_or("REFUND_EXCEEDS_REDEMPTION")?;
                hold.refunded += points;
                self.redeemed -= count(points);
                (Told::Points(count(points)), hold.from[rest..kept].to_vec())
            }
            Do::Lengthen(_, seconds) => {
                let until = self.now + seconds * 1_000_000;
                if until > hold.made + 30 * DAY && until > hold.until {
                    return Err("HOLD_ENDS");
                }
                hold.until = hold.until.max(until);
                (Told::Done, Vec::new())
            }
            _ => {
                hold.stage = Stage::Voided;
                (Told::Done, hold.from.clone())
            }
        };
        self.holds[i] = hold;
        self.come_back(&back, self.now);
        Ok(told)
    }

    /// True if points are, or were, held under this key.
    pub fn knows(&self, key: u32) -> bool {
        self.holds.iter().any(|hold| hold.key == key)
    }

    /// Points go back to the lots that they were taken from.
    pub(crate) fn come_back(&mut self, points: &[usize], at: i64) {
        points.iter().for_each(|i| self.lots[*i].left += 1);
        self.repay();
        for i in points {
            if self.lots[*i].left > 0 && self.expiry(&self.lots[*i]) <= at {
                match self.policy.grace_days {
                    None => self.expire(*i),
                    Some(days) => self.lots[*i].expiry = at + days * DAY,
                }
            }
        }
    }
}
