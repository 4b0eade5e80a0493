//! What the model of a crowd knows of rewards: points that are held or were spent, and come back, and units
//! that count for a limit.

use crate::model::DAY;
use crate::model_crowd::{Crowd, Lot, PRICE, Refused};
use crate::model_holds::Stage;

/// What becomes of points for a reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Hold them, for so many seconds.
    Hold(i64),
    /// Spend them.
    Capture,
    /// Give them back.
    Void,
    /// Give them back that were spent.
    Refund,
}

#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) name: usize,
    /// The wallet that the points were taken from.
    pub(crate) home: usize,
    /// Lots with what was taken of each, and how often those in whose names they are had moved by then.
    pub(crate) from: Vec<(usize, Lot)>,
    made: i64,
    until: i64,
    pub(crate) stage: Stage,
    refunded: bool,
}

impl Crowd {
    /// Nobody has more units of a reward on one day.
    pub fn limited(mut self, units: i64) -> Crowd {
        self.limit = units;
        self
    }

    /// Somebody does something with the points that are held under a key.
    ///
    /// # Errors
    /// The reason of a refusal.
    pub fn keep(&mut self, name: usize, key: usize, what: Keep) -> Result<(), Refused> {
        if let Keep::Hold(seconds) = what {
            let (home, made) = (self.wallet(name), self.now);
            let from = self.have(name)?.into_iter().map(|lot| (self.moved[lot.name], lot)).collect();
            let until = made + seconds * 1_000_000;
            let kept = Kept { name, home, from, made, until, stage: Stage::Held, refunded: false };
            self.kept.insert(key, kept);
            return Ok(());
        }
        let found = self.kept.get(&key).filter(|kept| self.wallet(kept.name) == self.wallet(name));
        let mut kept = found.cloned().ok_or("REDEMPTION_NOT_FOUND")?;
        match (kept.stage, what) {
            (Stage::Held, Keep::Refund) => return Err("NOT_CAPTURED"),
            (Stage::Captured, Keep::Refund) if kept.refunded => return Err("REFUND_EXCEEDS_REDEMPTION"),
            (Stage::Held, _) | (Stage::Captured, Keep::Refund) => {}
            (Stage::Captured, _) => return Err("ALREADY_CAPTURED"),
            (Stage::Voided, _) => return Err("ALREADY_VOIDED"),
            (Stage::Expired, _) => return Err("HOLD_EXPIRED"),
        }
        match what {
            Keep::Capture => kept.stage = Stage::Captured,
            Keep::Refund => kept.refunded = true,
            _ => kept.stage = Stage::Voided,
        }
        if what == Keep::Void {
            self.count(kept.name, kept.made, -1);
        }
        if what != Keep::Capture {
            self.come_back(&kept, self.now);
        }
        self.kept.insert(key, kept);
        Ok(())
    }

    /// Somebody has one unit, or holds it. Returns what was taken from each lot.
    pub(crate) fn have(&mut self, name: usize) -> Result<Vec<Lot>, Refused> {
        let (wallet, today) = (self.wallet(name), self.now.div_euclid(DAY));
        let here = self.had.iter().filter(|((of, day), _)| *day == today && self.wallet(*of) == wallet);
        if here.map(|(_, units)| units).sum::<i64>() >= self.limit {
            return Err("LIMIT_REACHED");
        }
        let lots = self.spend(name, PRICE)?;
        self.count(name, self.now, 1);
        Ok(lots)
    }

    /// When holds end that nobody resolved, and their keys.
    pub(crate) fn ends_of_holds(&self, now: i64) -> Vec<(i64, usize)> {
        let open = self.kept.iter().filter(|(_, kept)| kept.stage == Stage::Held && kept.until <= now);
        let mut ends: Vec<(i64, usize)> = open.map(|(key, kept)| (kept.until, *key)).collect();
        ends.sort_unstable();
        ends
    }

    pub(crate) fn time_out(&mut self, key: usize) {
        let kept = self.kept[&key].clone();
        self.count(kept.name, kept.made, -1);
        self.come_back(&kept, kept.until);
        self.kept.insert(key, Kept { stage: Stage::Expired, ..kept });
    }

    fn count(&mut self, name: usize, at: i64, units: i64) {
        *self.had.entry((name, at.div_euclid(DAY))).or_default() += units;
    }

    /// What was waived of returns in a wallet since points were redeemed is taken of them, the first of them
    /// first.
    fn take_outstanding(&mut self, wallet: usize, redeemed: i64, lot: &mut Lot) {
        let names: Vec<bool> = (0..self.moved.len()).map(|name| self.wallet(name) == wallet).collect();
        let here = self.purchases.iter_mut().filter(|(_, purchase)| names[purchase.name]);
        let returns =
            here.flat_map(|(key, of)| of.outstanding.iter_mut().map(move |of| (of.0, *key, &mut of.1)));
        let mut returns: Vec<_> = returns.filter(|(since, ..)| *since >= redeemed).collect();
        returns.sort_by_key(|(since, key, _)| (*since, *key));
        for (_, _, owed) in returns {
            let points = lot.left.min(*owed);
            (lot.left, *owed) = (lot.left - points, *owed - points);
            self.taken_late += points;
        }
    }

    /// Points go back to the lots that they were taken from, if they are where these are and those in whose
    /// names these are have not moved since; otherwise these get others if they are here, or whoever held
    /// them does. What has ended meanwhile ends now, as another lot.
    fn come_back(&mut self, kept: &Kept, at: i64) {
        let wallet = self.wallet(kept.name);
        for (moved, lot) in &kept.from {
            let mut lot = lot.clone();
            let left = wallet != kept.home || self.moved[lot.name] != *moved;
            let late = lot.end <= at;
            if left || late {
                self.came += 1;
                (lot.wallet, lot.place) = (wallet, self.came);
            }
            if left && self.wallet(lot.name) == wallet {
                lot.touched |= self.purchase_of(&lot).is_some_and(|purchase| purchase.returned > 0);
            } else if left {
                lot.name = kept.name;
            }
            self.take_outstanding(wallet, kept.made, &mut lot);
            if lot.left == 0 {
                continue;
            }
            if late {
                self.end(Lot { end: at, ..lot });
                continue;
            }
            match self.lots.iter_mut().find(|other| other.wallet == wallet && other.place == lot.place) {
                Some(open) => open.left += lot.left,
                None => self.lots.push(lot),
            }
        }
    }
}
