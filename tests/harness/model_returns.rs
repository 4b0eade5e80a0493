//! What the model knows of purchases that are called off or given back, and of what is taken for that.

use crate::model::{Model, Returns, Told};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Purchase {
    pub(crate) cents: i64,
    pub(crate) at: i64,
    pub(crate) points: i64,
    pub(crate) returned: i64,
    pub(crate) owed: i64,
    /// Something of it was given back, be it for nothing.
    pub(crate) touched: bool,
    pub(crate) over: bool,
    /// What it could have earned at most.
    pub(crate) room: i64,
}

impl Purchase {
    /// Nothing of it was given back.
    pub(crate) fn made(cents: i64, at: i64, (points, room): (i64, i64)) -> Purchase {
        Purchase { cents, at, points, returned: 0, owed: 0, touched: false, over: false, room }
    }
}

impl Model {
    pub(crate) fn counting(&self, key: u32) -> Result<Purchase, &'static str> {
        let purchase = *self.purchases.get(&key).ok_or("ACTIVITY_NOT_FOUND")?;
        if purchase.over { Err("ACTIVITY_OVER") } else { Ok(purchase) }
    }

    pub(crate) fn cancel(&mut self, key: u32) -> Result<Told, &'static str> {
        let purchase = self.counting(key)?;
        let mut own = self.lots.iter_mut().filter(|lot| lot.key == Some(key));
        let mut points = 0;
        if let Some(lot) = own.next() {
            if !lot.pending {
                return Err("ACTIVITY_RELEASED");
            }
            points = std::mem::take(&mut lot.left);
        }
        let (returned, owed) = (purchase.cents, purchase.owed + points);
        self.purchases.insert(key, Purchase { returned, owed, touched: true, over: true, ..purchase });
        Ok(Told::Back([points, points, 0, 0, 0]))
    }

    pub(crate) fn give_back(&mut self, key: u32, cents: Option<i64>) -> Result<Told, &'static str> {
        let mut purchase = self.counting(key)?;
        let left = purchase.cents - purchase.returned;
        let back = cents.unwrap_or(left);
        if back > left {
            return Err("RETURN_EXCEEDS_ACTIVITY");
        }
        purchase.returned += back;
        purchase.touched = true;
        purchase.over = cents.is_none() || back == left;
        let mut own: Vec<usize> = (0..self.lots.len()).filter(|i| self.lots[*i].key == Some(key)).collect();
        own.sort_by_key(|i| (!self.lots[*i].pending, self.lots[*i].expiry, *i));
        let expired: i64 = own.iter().filter_map(|i| self.expired.get(i)).sum();
        let kept = self.kept(&purchase);
        let owed = ((purchase.points - kept).min(purchase.points - expired) - purchase.owed).max(0);
        purchase.owed += owed;
        let returns = self.policy.returns;
        let (mut pending, mut available, mut rest) = (0, 0, owed);
        for i in own {
            let waits = self.lots[i].pending;
            let taken =
                if waits || returns != Returns::OnlyPending { rest.min(self.lots[i].left) } else { 0 };
            self.take(i, taken);
            rest -= taken;
            *(if waits { &mut pending } else { &mut available }) += taken;
        }
        if returns != Returns::OnlyPending {
            let taken = rest.min(self.available());
            self.spend(taken);
            available += taken;
            rest -= taken;
        }
        let (arrears, waived) = if returns == Returns::Unlimited { (rest, 0) } else { (0, rest) };
        self.arrears += arrears;
        self.waived += waived;
        if returns == Returns::WithinBalance {
            self.outstanding.push((self.now, waived));
        }
        self.purchases.insert(key, purchase);
        Ok(Told::Back([owed, pending, available, arrears, waived]))
    }

    /// Points came back to a lot: what was waived of returns since they were redeemed is taken of them.
    pub(crate) fn take_outstanding(&mut self, i: usize, mut back: i64, redeemed: i64) {
        for n in
            (0..self.outstanding.len()).filter(|n| self.outstanding[*n].0 >= redeemed).collect::<Vec<_>>()
        {
            let points = self.outstanding[n].1.min(back);
            self.outstanding[n].1 -= points;
            self.waived -= points;
            back -= points;
            self.take(i, points);
        }
    }
}
