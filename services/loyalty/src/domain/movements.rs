//! Movements of points: each is a posting together with the lots it opens or takes from.

use std::collections::BTreeMap;
use std::ops::Bound;

use ambient::Time;
use uuid::Uuid;

use super::book::{Book, minus, next, plus};
use super::{
    Account, Activity, Allocation, Lot, LotKey, Origin, Posting, Reason, Redemption, Refusal, Source, State,
};

impl Book<'_> {
    pub(super) fn post(
        &mut self,
        (purse, debit, credit): (u32, Account, Account),
        points: i64,
        reason: Reason,
        effective_time: Time,
        source: Source,
    ) -> Result<i64, Refusal> {
        assert!(points > 0, "a posting moves at least one point");
        self.out.wallet.purse_mut(purse).totals.post(debit, credit, points)?;
        let seq = next(&mut self.out.wallet.posting_seq)?;
        let create_time = self.now;
        self.out.postings.push(Posting {
            seq,
            purse,
            debit,
            credit,
            points,
            reason,
            effective_time,
            create_time,
            source,
        });
        Ok(seq)
    }

    /// Opens a lot of points that were granted at `granted`.
    pub(super) fn open_lot(
        &mut self,
        purse: u32,
        points: i64,
        (granted, activate_time): (Time, Time),
        source: &Source,
    ) -> Result<Lot, Refusal> {
        let number = next(&mut self.out.wallet.lot_seq)?;
        let lot = Lot {
            key: LotKey { purse, expire_time: self.program.expire_time(purse, activate_time), number },
            points,
            remaining: points,
            activate_time,
            pending: activate_time > granted,
            expired: 0,
            returned: false,
            left_behind: false,
            member_id: source.actor_member_id,
            activity_id: source.activity_id,
            rule_version: source.rule_version,
            origin: None,
        };
        self.keep(lot.clone());
        Ok(lot)
    }

    /// Opens a lot of the points that `given`, a lot of another wallet, has remaining; it is released and
    /// expires when that does.
    pub(super) fn continue_lot(&mut self, given: &Lot, wallet_id: Uuid) -> Result<(), Refusal> {
        let number = next(&mut self.out.wallet.lot_seq)?;
        self.keep(Lot {
            key: LotKey { number, ..given.key },
            points: given.remaining,
            activate_time: if given.pending { given.activate_time } else { self.now },
            expired: 0,
            origin: Some(Origin { wallet_id, lot_number: given.key.number }),
            ..given.clone()
        });
        Ok(())
    }

    /// Gives away all that lots of this wallet hold.
    pub(super) fn give_lots(&mut self, lots: &[Lot], source: Source) -> Result<(), Refusal> {
        for ((purse, account), points) in held(lots)? {
            let accounts = (purse, account, Account::Transfer);
            let seq = self.post(accounts, points, Reason::Move, self.now, source.clone())?;
            for lot in lots.iter().filter(|lot| account_of(lot) == (purse, account)) {
                self.allocate(seq, lot.clone(), lot.remaining, self.now)?;
            }
        }
        self.find_next_release();
        self.find_next_expiries();
        Ok(())
    }

    /// Takes all that lots of another wallet hold.
    pub(super) fn receive_lots(
        &mut self,
        lots: &[Lot],
        wallet_id: Uuid,
        source: Source,
    ) -> Result<(), Refusal> {
        for ((purse, account), points) in held(lots)? {
            let accounts = (purse, Account::Transfer, account);
            self.post(accounts, points, Reason::Move, self.now, source.clone())?;
        }
        lots.iter().try_for_each(|lot| self.continue_lot(lot, wallet_id))
    }

    /// Makes a pending lot spendable from `at` on.
    pub(super) fn release(&mut self, mut lot: Lot, at: Time, actor_member_id: Uuid) -> Result<Lot, Refusal> {
        let source = Source { actor_member_id, ..of_lot(&lot) };
        let accounts = (lot.key.purse, Account::Pending, Account::Available);
        self.post(accounts, lot.remaining, Reason::Release, at, source)?;
        if lot.activate_time.is_never() {
            let expire_time = self.program.expire_time(lot.key.purse, at);
            self.set_expiry(&mut lot, expire_time);
        }
        (lot.pending, lot.activate_time) = (false, at);
        self.released.entry(lot.key.purse).or_default().push((lot.key.number, lot.remaining, at));
        self.keep(lot.clone());
        Ok(lot)
    }

    /// Uses what became available to repay what is owed. Whoever owes has nothing else available.
    pub(super) fn repay(&mut self, purse: u32, at: Time) -> Result<(), Refusal> {
        let totals = self.out.wallet.purse(purse).totals;
        let points = totals.arrears.min(totals.available);
        if points == 0 {
            return Ok(());
        }
        self.debit_lots((purse, Account::Arrears), points, Reason::Repay, at, Source::default())
    }

    /// Repays of each purse.
    pub(super) fn repay_all(&mut self, at: Time) -> Result<(), Refusal> {
        self.purses().try_for_each(|purse| self.repay(purse, at))
    }

    /// The numbers of the wallet's purses.
    pub(super) fn purses(&self) -> impl Iterator<Item = u32> + use<> {
        0..u32::try_from(self.out.wallet.purses.len()).unwrap_or(u32::MAX)
    }

    /// Takes points from the lots of a purse in the order of debits.
    pub(super) fn debit_lots(
        &mut self,
        (purse, credit): (u32, Account),
        points: i64,
        reason: Reason,
        at: Time,
        source: Source,
    ) -> Result<(), Refusal> {
        let available = self.out.wallet.purse(purse).totals.available;
        if available < points {
            return Err(Refusal::InsufficientPoints { needed: points, available });
        }
        let seq = self.post((purse, Account::Available, credit), points, reason, at, source)?;
        let mut left = points;
        while left > 0 {
            let lot = self.first_open_lot(purse).expect("open lots cover what is available");
            let taken = left.min(lot.remaining);
            self.pass(lot.key);
            self.allocate(seq, lot, taken, at)?;
            left = minus(left, taken)?;
        }
        self.find_next_expire(purse);
        Ok(())
    }

    /// Takes points from one lot, wherever it stands in the order of debits.
    pub(super) fn take_from(
        &mut self,
        lot: Lot,
        points: i64,
        reason: Reason,
        source: Source,
    ) -> Result<(), Refusal> {
        let (pending, at) = (lot.pending, self.now);
        let (purse, debit) = account_of(&lot);
        let seq = self.post((purse, debit, Account::Reversed), points, reason, at, source)?;
        self.allocate(seq, lot, points, at)?;
        if pending {
            self.find_next_release();
        } else {
            self.find_next_expire(purse);
        }
        Ok(())
    }

    /// Ends the life of a lot at its own moment.
    pub(super) fn expire(&mut self, mut lot: Lot) -> Result<(), Refusal> {
        let (purse, points, at) = (lot.key.purse, lot.remaining, self.lives_until(&lot));
        let accounts = (purse, Account::Available, Account::Expired);
        let seq = self.post(accounts, points, Reason::Expire, at, of_lot(&lot))?;
        self.expired.entry(purse).or_default().push((lot.key.number, points, at));
        lot.expired = plus(lot.expired, points)?;
        self.pass(lot.key);
        self.allocate(seq, lot, points, at)
    }

    /// Takes all that a lot holds, because its owner leaves.
    pub(super) fn forfeit(&mut self, mut lot: Lot, source: Source) -> Result<(), Refusal> {
        let points = lot.remaining;
        lot.expired = plus(lot.expired, points)?;
        let (purse, debit) = account_of(&lot);
        let source = Source { activity_id: lot.activity_id, rule_version: lot.rule_version, ..source };
        let seq = self.post((purse, debit, Account::Expired), points, Reason::Forfeit, self.now, source)?;
        self.allocate(seq, lot, points, self.now)?;
        self.find_next_release();
        self.find_next_expire(purse);
        Ok(())
    }

    /// Gives a lot back the points of it that expired, to live up to `expire_time`.
    pub(super) fn reinstate(
        &mut self,
        mut lot: Lot,
        expire_time: Time,
        source: &Source,
    ) -> Result<(), Refusal> {
        let (points, at) = (std::mem::take(&mut lot.expired), self.now);
        let Source { actor_member_id, note, .. } = source.clone();
        let source = Source { actor_member_id, note, ..of_lot(&lot) };
        let purse = lot.key.purse;
        let accounts = (purse, Account::Expired, Account::Available);
        let seq = self.post(accounts, points, Reason::Reinstate, at, source)?;
        let (posting_seq, lot_number) = (seq, lot.key.number);
        let effective_time = at;
        self.out.allocations.push(Allocation {
            posting_seq,
            lot_number,
            points,
            credit: true,
            effective_time,
        });
        let until = self.out.wallet.purse(purse).alive.lives_until(expire_time);
        self.reinstated.entry(purse).or_default().push((lot_number, points, until));
        lot.remaining = plus(lot.remaining, points)?;
        self.set_expiry(&mut lot, expire_time);
        self.keep(lot);
        Ok(())
    }

    /// Lets a lot live up to `expire_time`.
    pub(super) fn extend(&mut self, mut lot: Lot, expire_time: Time) {
        self.set_expiry(&mut lot, expire_time);
        self.keep(lot);
    }

    pub(super) fn set_expiry(&mut self, lot: &mut Lot, expire_time: Time) {
        if lot.key.expire_time != expire_time {
            self.open.remove(&lot.key);
            self.out.moved.push(lot.key);
            lot.key.expire_time = expire_time;
        }
    }

    /// When a lot that was not emptied before expires.
    pub(super) fn lives_until(&self, lot: &Lot) -> Time {
        self.out.wallet.purse(lot.key.purse).alive.lives_until(lot.key.expire_time)
    }

    /// The member was active at `at`: points that slide live from then on.
    pub(super) fn slide(&mut self, at: Time) {
        for purse in self.program.purses().filter(|purse| self.program.expiry_of(*purse).sliding) {
            let until = self.program.expire_time(purse, at);
            self.out.wallet.purse_mut(purse).alive.slide(at, until);
        }
    }

    pub(super) fn allocate(
        &mut self,
        posting_seq: i64,
        mut lot: Lot,
        points: i64,
        at: Time,
    ) -> Result<(), Refusal> {
        self.take(posting_seq, &mut lot, points, at)?;
        if lot.remaining == 0 && !lot.pending {
            // From now on nothing keeps it alive: what it held in the past is read from its row.
            let lived_until = self.lives_until(&lot);
            self.set_expiry(&mut lot, lived_until);
        }
        self.keep(lot);
        Ok(())
    }

    /// Takes points out of a lot.
    pub(super) fn take(
        &mut self,
        posting_seq: i64,
        lot: &mut Lot,
        points: i64,
        at: Time,
    ) -> Result<(), Refusal> {
        lot.remaining = minus(lot.remaining, points)?;
        let (lot_number, credit) = (lot.key.number, false);
        self.out.allocations.push(Allocation { posting_seq, lot_number, points, credit, effective_time: at });
        Ok(())
    }

    /// Remembers a lot as it is now.
    pub(super) fn keep(&mut self, lot: Lot) {
        let wallet = &mut self.out.wallet;
        if lot.is_open() {
            let is_new = self.open.insert(lot.key) && !self.before.lots.contains_key(&lot.key);
            let ends = wallet.purse(lot.key.purse).alive.lives_until(lot.key.expire_time);
            let were_open = || self.before.lots.keys().map(|key| key.number).collect();
            let was_open = || self.were_open.get_or_init(were_open).contains(&lot.key.number);
            if is_new && ends <= wallet.warned_until && !was_open() {
                // It holds points again, which were not there when others of the wallet were announced.
                wallet.warned_lot = wallet.warned_lot.min(lot.key.number.saturating_sub(1));
            }
            let purse = wallet.purse_mut(lot.key.purse);
            if purse.alive.lives_until(lot.key.expire_time) > self.now {
                purse.first_expire = purse.first_expire.min(lot.key.expire_time);
            }
        } else {
            self.open.remove(&lot.key);
        }
        if lot.is_waiting() && lot.activate_time > self.now {
            wallet.next_release = wallet.next_release.min(lot.activate_time);
        }
        self.out.lots.insert(lot.key.number, lot);
    }

    /// Debits have come as far as this lot, if it is one of the state's.
    fn pass(&mut self, key: LotKey) {
        if self.before.lots.contains_key(&key) {
            let reached = self.reached.entry(key.purse).or_insert(key);
            *reached = key.max(*reached);
        }
    }

    /// The lot that the next debit of a purse takes from.
    pub(super) fn first_open_lot(&self, purse: u32) -> Option<Lot> {
        let first = LotKey { purse, expire_time: Time::MIN, number: 0 };
        let last = LotKey { purse, expire_time: Time::NEVER, number: i64::MAX };
        let from = self.reached.get(&purse).map_or(Bound::Included(first), |key| Bound::Excluded(*key));
        let mut untouched = self.before.lots.range((from, Bound::Included(last)));
        let stored = untouched.find(|(key, _)| !self.out.lots.contains_key(&key.number)).map(|(_, lot)| lot);
        let changed = self.open.range(first..=last).next().and_then(|key| self.out.lots.get(&key.number));
        stored.into_iter().chain(changed).min_by_key(|lot| lot.key).cloned()
    }

    /// Lots that hold points that may be spent: those of the state, as far as they were loaded, and those of
    /// this command.
    pub(super) fn open_lots(&self) -> impl Iterator<Item = &Lot> {
        let stored = self.before.lots.values().filter(|lot| !self.out.lots.contains_key(&lot.key.number));
        stored.chain(self.out.lots.values()).filter(|lot| lot.is_open())
    }

    /// Lots with these numbers, as they are now.
    pub(super) fn lots_of(&self, numbers: impl Iterator<Item = i64>) -> Vec<Lot> {
        numbers
            .filter_map(|number| self.out.lots.get(&number).or_else(|| self.before.lot(number)).cloned())
            .collect()
    }

    /// The loaded lots that hold points, pending ones too.
    pub(super) fn held_lots(&self) -> Vec<Lot> {
        self.loaded(|lot| lot.remaining > 0)
    }

    /// The loaded lots of an activity in a purse: those that it opened here, and those that continue others
    /// of it. What was left behind, or is in the name of somebody else by now, is not its any more.
    pub(super) fn lots_earned(&self, activity: &Activity, purse: u32) -> Vec<Lot> {
        let own = |lot: &Lot| lot.activity_id == activity.id && lot.member_id == activity.member_id;
        let mut lots = self.loaded(|lot| own(lot) && lot.key.purse == purse && !lot.left_behind);
        lots.sort_by_key(|lot| lot.key.number);
        lots
    }

    /// Points that are on hold and would come back to lots of this wallet, by the numbers of these.
    pub(super) fn points_on_hold(&self) -> Result<BTreeMap<i64, i64>, Refusal> {
        let mut on_hold = BTreeMap::new();
        for (number, points) in self.open_holds().flat_map(Redemption::of_own_lots) {
            let sum = on_hold.entry(*number).or_insert(0);
            *sum = plus(*sum, *points)?;
        }
        for lot in self.lots_of(on_hold.keys().copied()).iter().filter(|lot| lot.left_behind) {
            on_hold.remove(&lot.key.number);
        }
        Ok(on_hold)
    }

    /// The loaded lots of which points expired that may be given back.
    pub(super) fn expired_lots(&self) -> Vec<Lot> {
        self.loaded(|lot| lot.expired > 0 && !lot.returned && !lot.left_behind)
    }

    /// Those lots of the state and of this command that are wanted, as they are now.
    fn loaded(&self, wanted: impl Fn(&Lot) -> bool) -> Vec<Lot> {
        let State { lots, pending, spent, .. } = self.before;
        let stored = lots.values().chain(pending.values()).chain(spent.values());
        let stored = stored.filter(|lot| !self.out.lots.contains_key(&lot.key.number));
        stored.chain(self.out.lots.values()).filter(|lot| wanted(lot)).cloned().collect()
    }

    /// Finds anew when points of a purse next expire: after lots were debited that are in the state.
    pub(super) fn find_next_expire(&mut self, purse: u32) {
        let first = self.first_open_lot(purse).map_or(Time::NEVER, |lot| lot.key.expire_time);
        self.out.wallet.purse_mut(purse).first_expire = first;
    }

    /// The same of all purses.
    pub(super) fn find_next_expiries(&mut self) {
        self.purses().for_each(|purse| self.find_next_expire(purse));
    }

    /// Finds anew when pending points are next released: after lots that are in the state stopped to wait.
    pub(super) fn find_next_release(&mut self) {
        let stored = self.before.pending.values().find(|lot| !self.out.lots.contains_key(&lot.key.number));
        let changed = self.out.lots.values().filter(|lot| lot.is_waiting());
        let first = stored.into_iter().chain(changed).map(|lot| lot.activate_time).min();
        self.out.wallet.next_release = first.unwrap_or(Time::NEVER);
    }
}

fn account_of(lot: &Lot) -> (u32, Account) {
    (lot.key.purse, if lot.pending { Account::Pending } else { Account::Available })
}

/// What lots hold of each account of the member, if anything.
fn held(lots: &[Lot]) -> Result<BTreeMap<(u32, Account), i64>, Refusal> {
    let mut held = BTreeMap::new();
    for lot in lots.iter().filter(|lot| lot.remaining > 0) {
        let points = held.entry(account_of(lot)).or_default();
        *points = plus(*points, lot.remaining)?;
    }
    Ok(held)
}

pub(super) fn of_lot(lot: &Lot) -> Source {
    Source { activity_id: lot.activity_id, rule_version: lot.rule_version, ..Source::default() }
}
