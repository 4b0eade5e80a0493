//! A model of members who give each other points, are merged and told apart, join households and leave them:
//! one list of points with names and ends, written from the design page alone.

use std::collections::BTreeMap;

use crate::model_kept::Kept;

/// How long points live.
pub(crate) const LIFE: i64 = 90 * 24 * HOUR;
/// In microseconds.
pub const HOUR: i64 = 3_600_000_000;
/// What a reward costs.
pub const PRICE: i64 = 50;

/// What somebody does. Members have the names from 0 on, households those after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Buy something for so many dollars, with this key.
    Buy(usize, u32, i64),
    /// Take back what was bought with this key: so many dollars of it, or all that is left.
    Reverse(usize, u32, Option<i64>),
    /// Have the points for what was bought with this key at once.
    Confirm(usize, u32),
    /// Call off what was bought with this key.
    Cancel(usize, u32),
    /// Get a reward.
    Redeem(usize),
    /// Get so many points by hand, or lose them.
    Adjust(usize, i64),
    /// Give points to another member.
    Give(usize, usize, i64),
    /// Be the same customer as another member.
    Merge(usize, usize),
    /// Be told apart again.
    Unmerge(usize),
    /// Join a household.
    Join(usize, usize),
    /// Leave it.
    Leave(usize),
    /// Let points that end before a moment live until another one.
    Extend(usize, i64, i64),
    /// Let points that expired since a moment live again.
    Reinstate(usize, i64),
}

/// What was done: what was told, about which wallet, and which other one changed, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Points that moved; or points owed, taken while pending, taken while available, and waived; or nothing.
    pub told: Vec<i64>,
    /// The wallet whose balance is told.
    pub wallet: usize,
    /// The other one.
    pub other: Option<usize>,
}

/// Points that end together.
#[derive(Clone, Debug)]
pub struct Lot {
    /// In which wallet.
    pub wallet: usize,
    /// In whose name.
    pub name: usize,
    /// From when on they can be spent.
    pub(crate) from: i64,
    /// When they expire.
    pub end: i64,
    /// How many.
    pub left: i64,
    /// After those that came to the wallet before.
    pub(crate) place: usize,
    pub(crate) of: Option<u32>,
    /// Its purchase was taken back, or a part of it.
    pub(crate) touched: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Purchase {
    pub(crate) name: usize,
    points: i64,
    /// What of it expired in the name of who bought it.
    pub(crate) expired: i64,
    /// Dollars that were given back, and the points that were owed for them.
    pub(crate) returned: i64,
    owed: i64,
    /// What was waived of it because points were gone, and when: it is taken of those that come back.
    pub(crate) outstanding: Vec<(i64, i64)>,
    over: bool,
}

/// Where a member's points are: with another member, or in a household.
#[derive(Clone, Copy, Debug, PartialEq)]
enum With {
    Self_,
    Member(usize),
    Household(usize),
}

/// All of them.
#[derive(Clone, Debug)]
pub struct Crowd {
    pub(crate) lots: Vec<Lot>,
    /// What expired of lots and may be given back.
    pub(crate) gone: Vec<Lot>,
    pub(crate) purchases: BTreeMap<u32, Purchase>,
    with: Vec<With>,
    /// How often each moved.
    pub(crate) moved: Vec<usize>,
    pub(crate) came: usize,
    pub(crate) now: i64,
    /// How long what is bought is waited for.
    delay: i64,
    pub(crate) kept: BTreeMap<usize, Kept>,
    /// Units of rewards by names and days.
    pub(crate) had: BTreeMap<(usize, i64), i64>,
    pub(crate) limit: i64,
    /// Points that came back after their purchase was given back, and were taken then.
    pub taken_late: i64,
}

pub(crate) type Refused = &'static str;

impl Crowd {
    /// So many members without points.
    pub fn new(members: usize, now: i64) -> Crowd {
        Crowd {
            lots: vec![],
            gone: vec![],
            purchases: BTreeMap::new(),
            with: vec![With::Self_; members],
            moved: vec![0; members],
            came: 0,
            now,
            delay: 0,
            kept: BTreeMap::new(),
            had: BTreeMap::new(),
            limit: i64::MAX,
            taken_late: 0,
        }
    }

    /// Points for what is bought are pending for so long.
    pub fn delayed(mut self, delay: i64) -> Crowd {
        self.delay = delay;
        self
    }

    /// The member whose name stands for all those merged into it.
    pub fn customer(&self, mut name: usize) -> usize {
        while let With::Member(other) = self.with[name] {
            name = other;
        }
        name
    }

    /// The wallet where the points of a member are, or those of a household.
    pub fn wallet(&self, mut name: usize) -> usize {
        while let Some(with) = self.with.get(name) {
            match with {
                With::Self_ => return name,
                With::Member(other) | With::Household(other) => name = *other,
            }
        }
        name
    }

    /// Points of a wallet in the order in which they came.
    pub fn lots(&self, wallet: usize) -> Vec<&Lot> {
        let mut lots: Vec<_> = self.lots.iter().filter(|lot| lot.wallet == wallet).collect();
        lots.sort_by_key(|lot| lot.place);
        lots
    }

    /// Points that a wallet may spend.
    pub fn available(&self, wallet: usize) -> i64 {
        let here = self.lots.iter().filter(|lot| lot.wallet == wallet && lot.from <= self.now);
        here.map(|lot| lot.left).sum()
    }

    /// Points that a wallet will be able to spend.
    pub fn pending(&self, wallet: usize) -> i64 {
        let here = self.lots.iter().filter(|lot| lot.wallet == wallet && lot.from > self.now);
        here.map(|lot| lot.left).sum()
    }

    /// Time goes on, and holds and points end.
    pub fn wait_until(&mut self, now: i64) {
        for (until, key) in self.ends_of_holds(now) {
            self.expire_until(until);
            self.time_out(key);
        }
        self.expire_until(now);
        self.now = now;
    }

    fn expire_until(&mut self, now: i64) {
        let (over, lots) = std::mem::take(&mut self.lots).into_iter().partition(|lot| lot.end <= now);
        self.lots = lots;
        let over: Vec<Lot> = over;
        over.into_iter().for_each(|lot| self.end(lot));
    }

    /// Points expire.
    pub(crate) fn end(&mut self, lot: Lot) {
        if let Some(purchase) = self.purchase_of(&lot) {
            purchase.expired += lot.left;
        }
        self.gone.push(lot);
    }

    /// The purchase that a lot is of, if it is in the name of who bought it.
    pub(crate) fn purchase_of(&mut self, lot: &Lot) -> Option<&mut Purchase> {
        let purchase = lot.of.and_then(|of| self.purchases.get_mut(&of));
        purchase.filter(|purchase| purchase.name == lot.name)
    }

    /// The wallet in which a purchase is that was not taken back, and how many dollars of it stand.
    pub fn stands(&self, key: u32) -> Option<(usize, i64)> {
        let purchase = self.purchases.get(&key).filter(|purchase| !purchase.over)?;
        Some((self.wallet(purchase.name), purchase.points - purchase.returned))
    }

    /// Somebody is given points that have lived since a moment.
    pub fn credit(&mut self, name: usize, points: i64, since: i64) {
        self.add(name, (since, since + LIFE), points, None);
        self.expire_until(self.now);
    }

    /// Does what is asked, or changes nothing.
    ///
    /// # Errors
    /// The reason of a refusal.
    pub fn run(&mut self, deed: Deed) -> Result<Done, Refused> {
        let (name, before) = match deed {
            Deed::Buy(name, ..)
            | Deed::Reverse(name, ..)
            | Deed::Confirm(name, _)
            | Deed::Cancel(name, _)
            | Deed::Redeem(name)
            | Deed::Adjust(name, _)
            | Deed::Extend(name, ..)
            | Deed::Reinstate(name, _) => (name, None),
            Deed::Give(name, ..)
            | Deed::Merge(name, _)
            | Deed::Unmerge(name)
            | Deed::Join(name, _)
            | Deed::Leave(name) => (name, Some(self.wallet(name))),
        };
        let told = match deed {
            Deed::Buy(_, key, points) => self.buy(name, key, points)?,
            Deed::Reverse(_, key, dollars) => self.reverse(name, key, dollars)?,
            Deed::Confirm(_, key) => vec![self.confirm(name, key)?],
            Deed::Cancel(_, key) => self.cancel(name, key)?,
            Deed::Redeem(_) => self.have(name).map(|_| vec![])?,
            Deed::Adjust(_, points) if points > 0 => {
                self.credit(name, points, self.now);
                vec![]
            }
            Deed::Adjust(_, points) => self.spend(name, -points).map(|_| vec![])?,
            Deed::Give(_, to, points) => {
                self.give(name, to, points)?;
                return Ok(Done { told: vec![], wallet: self.wallet(name), other: Some(self.wallet(to)) });
            }
            Deed::Merge(_, into) => self.merge(name, into)?,
            Deed::Unmerge(_) => self.unmerge(name)?,
            Deed::Join(_, household) => self.join(name, household)?,
            Deed::Leave(_) => self.leave(name)?,
            Deed::Extend(_, before, to) => vec![self.extend(name, before, to)?],
            Deed::Reinstate(_, since) => vec![self.reinstate(name, since)],
        };
        Ok(Done { told, wallet: self.wallet(name), other: before })
    }

    fn names(&self, name: usize) -> Vec<usize> {
        let leads = |mut from: usize| loop {
            match self.with[from] {
                _ if from == name => return true,
                With::Member(other) => from = other,
                With::Self_ | With::Household(_) => return false,
            }
        };
        (0..self.with.len()).filter(|from| leads(*from)).collect()
    }

    fn add(&mut self, name: usize, (from, end): (i64, i64), left: i64, of: Option<u32>) {
        self.came += 1;
        let (wallet, place) = (self.wallet(name), self.came);
        self.lots.push(Lot { wallet, name, from, end, left, place, of, touched: false });
    }

    fn buy(&mut self, name: usize, key: u32, points: i64) -> Result<Vec<i64>, Refused> {
        let bought =
            Purchase { name, points, expired: 0, returned: 0, owed: 0, outstanding: vec![], over: false };
        assert!(self.purchases.insert(key, bought).is_none(), "a key is of one purchase");
        let from = self.now + self.delay;
        self.add(name, (from, from + LIFE), points, Some(key));
        Ok(vec![points])
    }

    /// Takes points from a wallet: those of a purchase first, of these those that are pending, then those
    /// that end first.
    fn take(&mut self, wallet: usize, of: Option<(u32, usize)>, mut points: i64) -> Vec<Lot> {
        let mut taken = Vec::new();
        let own = |lot: &Lot| of.is_some() && lot.of.map(|key| (key, lot.name)) == of;
        let now = self.now;
        self.lots.sort_by_key(|lot| (!own(lot), lot.from <= now, lot.end, lot.place));
        let here = |lot: &&mut Lot| lot.wallet == wallet && (lot.from <= now || own(lot));
        for lot in self.lots.iter_mut().filter(here) {
            let n = lot.left.min(points);
            (lot.left, points) = (lot.left - n, points - n);
            taken.push(Lot { left: n, ..lot.clone() });
        }
        self.lots.retain(|lot| lot.left > 0);
        taken.retain(|lot| lot.left > 0);
        taken
    }

    pub(crate) fn spend(&mut self, name: usize, points: i64) -> Result<Vec<Lot>, Refused> {
        let wallet = self.wallet(name);
        if self.available(wallet) < points {
            return Err("INSUFFICIENT_POINTS");
        }
        Ok(self.take(wallet, None, points))
    }

    fn give(&mut self, from: usize, to: usize, points: i64) -> Result<(), Refused> {
        if self.wallet(from) == self.wallet(to) {
            return Err("RECIPIENT_SHARES_WALLET");
        }
        for lot in self.spend(from, points)? {
            self.add(to, (lot.from, lot.end), lot.left, lot.of);
        }
        Ok(())
    }

    fn counting(&self, name: usize, key: u32) -> Result<Purchase, Refused> {
        let here = |purchase: &&Purchase| self.wallet(purchase.name) == self.wallet(name);
        let purchase = self.purchases.get(&key).filter(here).ok_or("ACTIVITY_NOT_FOUND")?;
        if purchase.over { Err("ACTIVITY_OVER") } else { Ok(purchase.clone()) }
    }

    fn confirm(&mut self, name: usize, key: u32) -> Result<i64, Refused> {
        let (buyer, now) = (self.counting(name, key)?.name, self.now);
        let own = |lot: &&mut Lot| lot.of == Some(key) && lot.name == buyer && lot.from > now;
        let released = self.lots.iter_mut().filter(own).map(|lot| {
            lot.from = now;
            lot.left
        });
        Ok(released.sum())
    }

    /// Only before its points are released.
    fn cancel(&mut self, name: usize, key: u32) -> Result<Vec<i64>, Refused> {
        let buyer = self.counting(name, key)?.name;
        let waits = |lot: &Lot| lot.of == Some(key) && lot.name == buyer && lot.from > self.now;
        if !self.lots.iter().any(waits) {
            return Err("ACTIVITY_RELEASED");
        }
        self.reverse(name, key, None)
    }

    /// What is owed beyond what there is, is waived until points come back.
    fn reverse(&mut self, name: usize, key: u32, dollars: Option<i64>) -> Result<Vec<i64>, Refused> {
        let (wallet, mut purchase) = (self.wallet(name), self.counting(name, key)?);
        let (buyer, left) = (purchase.name, purchase.points - purchase.returned);
        let back = dollars.unwrap_or(left);
        if back > left {
            return Err("RETURN_EXCEEDS_ACTIVITY");
        }
        purchase.returned += back;
        purchase.over = back == left;
        let kept = (left - back).max(purchase.expired);
        let owed = (purchase.points - kept - purchase.owed).max(0);
        purchase.owed += owed;
        // Also those that hold nothing, unless they were left behind.
        let kept = self.kept.values_mut().flat_map(|kept| &mut kept.from);
        let kept = kept.filter(|(moved, lot)| self.moved[lot.name] == *moved).map(|(_, lot)| lot);
        let lots = self.lots.iter_mut().chain(&mut self.gone).chain(kept);
        lots.filter(|lot| lot.of == Some(key) && lot.name == buyer).for_each(|lot| lot.touched = true);
        let taken = self.take(wallet, Some((key, buyer)), owed);
        let waived = owed - taken.iter().map(|lot| lot.left).sum::<i64>();
        purchase.outstanding.push((self.now, waived));
        self.purchases.insert(key, purchase);
        let (pending, available): (Vec<&Lot>, Vec<&Lot>) = taken.iter().partition(|lot| lot.from > self.now);
        let [pending, available] = [pending, available].map(|lots| lots.iter().map(|lot| lot.left).sum());
        Ok(vec![owed, pending, available, owed - pending - available])
    }

    fn move_to(&mut self, name: usize, with: With) -> Vec<i64> {
        let (names, from) = (self.names(name), self.wallet(name));
        self.with[name] = with;
        let to = self.wallet(name);
        names.iter().for_each(|name| self.moved[*name] += 1);
        let mut points = 0;
        self.gone.retain(|lot| lot.wallet != from || !names.contains(&lot.name));
        self.lots.sort_by_key(|lot| lot.place);
        for lot in self.lots.iter_mut().filter(|lot| lot.wallet == from && names.contains(&lot.name)) {
            self.came += 1;
            (lot.wallet, lot.place) = (to, self.came);
            points += lot.left;
        }
        vec![points]
    }

    fn merge(&mut self, name: usize, into: usize) -> Result<Vec<i64>, Refused> {
        self.stays(name)?;
        if self.wallet(into) == name {
            return Err("MERGE_LOOP");
        }
        Ok(self.move_to(name, With::Member(into)))
    }

    fn join(&mut self, name: usize, household: usize) -> Result<Vec<i64>, Refused> {
        self.stays(name)?;
        Ok(self.move_to(name, With::Household(household)))
    }

    fn stays(&self, name: usize) -> Result<(), Refused> {
        match self.with[name] {
            With::Self_ => Ok(()),
            With::Member(_) => Err("MEMBER_MERGED"),
            With::Household(_) => Err("MEMBER_IN_HOUSEHOLD"),
        }
    }

    fn unmerge(&mut self, name: usize) -> Result<Vec<i64>, Refused> {
        match self.with[name] {
            With::Member(_) => Ok(self.move_to(name, With::Self_)),
            _ => Err("MEMBER_NOT_MERGED"),
        }
    }

    fn leave(&mut self, name: usize) -> Result<Vec<i64>, Refused> {
        match self.with[name] {
            With::Household(_) => Ok(self.move_to(name, With::Self_)),
            _ => Err("MEMBER_NOT_IN_HOUSEHOLD"),
        }
    }
}
