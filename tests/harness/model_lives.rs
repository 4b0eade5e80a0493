//! What the model of a crowd knows of points that live longer, or again.

use crate::model_crowd::{Crowd, LIFE, Lot, Refused};
use crate::model_holds::Stage;

impl Crowd {
    /// Points of a wallet that end before a moment end at another one; those on hold, too.
    pub(crate) fn extend(&mut self, name: usize, before: i64, to: i64) -> Result<i64, Refused> {
        if to <= self.now {
            return Err("EXPIRES_IN_PAST");
        }
        let wallet = self.wallet(name);
        let open = self.lots.iter().filter(|lot| lot.wallet == wallet);
        let mut lots: Vec<(usize, i64)> = open.map(|lot| (lot.place, lot.left)).collect();
        // Those on hold that would come back to where they are from.
        let held = self.kept.values().filter(|kept| kept.stage == Stage::Held && kept.home == wallet);
        let held = held.filter(|kept| self.wallet(kept.name) == wallet);
        let stayed = held.flat_map(|kept| &kept.from).filter(|(moved, lot)| self.moved[lot.name] == *moved);
        lots.extend(stayed.map(|(_, lot)| (lot.place, lot.left)));
        let ends =
            |place: usize| self.end_of(place).filter(|end| (self.now + 1..before.min(to)).contains(end));
        lots.retain(|(place, _)| ends(*place).is_some());
        lots.iter().for_each(|(place, _)| self.set_end(*place, to));
        Ok(lots.iter().map(|(_, points)| points).sum())
    }

    /// Points that expired in a wallet since a moment are given back, as if they were earned now: not those
    /// of what was taken back.
    pub(crate) fn reinstate(&mut self, name: usize, since: i64) -> i64 {
        let (wallet, end) = (self.wallet(name), self.now + LIFE);
        let lives = |lot: &Lot| lot.wallet == wallet && lot.end >= since && !lot.touched;
        let (again, gone) = std::mem::take(&mut self.gone).into_iter().partition(lives);
        self.gone = gone;
        let again: Vec<Lot> = again;
        let points = again.iter().map(|lot| lot.left).sum();
        for lot in again {
            if let Some(purchase) = self.purchase_of(&lot) {
                purchase.expired -= lot.left;
            }
            let place = lot.place;
            self.lots.push(lot);
            self.set_end(place, end);
        }
        points
    }

    /// When the lot ends that is at a place, whatever is left of it.
    fn end_of(&self, place: usize) -> Option<i64> {
        let kept = self.kept.values().flat_map(|kept| &kept.from).map(|(_, lot)| lot);
        self.lots.iter().chain(kept).find(|lot| lot.place == place).map(|lot| lot.end)
    }

    fn set_end(&mut self, place: usize, end: i64) {
        let kept = self.kept.values_mut().flat_map(|kept| &mut kept.from).map(|(_, lot)| lot);
        let there = self.lots.iter_mut().chain(kept).filter(|lot| lot.place == place);
        there.for_each(|lot| lot.end = end);
    }
}
