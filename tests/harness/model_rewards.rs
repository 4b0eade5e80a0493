//! What the model knows of rewards: what they cost, how many of them there are, and what became of those that
//! a wallet has. Written from the design page and the comments of the API alone.

use crate::model::{DAY, Do, Model, Told, count};
use crate::model_holds::{Hold, Stage};
use crate::model_purses::Purses;

/// Something that a shop offers.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What one unit costs: its own price, then others.
    pub prices: Vec<Price>,
    /// What the points of its only price pay of a bill, if that is what they are for.
    pub rate: Option<Rate>,
    /// How many there are.
    pub supply: Supply,
    /// How many a wallet may have; none: any number.
    pub limit: Option<Limit>,
}

/// What one unit costs.
#[derive(Clone, Copy, Debug)]
pub struct Price {
    /// Which points.
    pub purse: usize,
    /// How many.
    pub points: i64,
    /// What is paid beside them.
    pub cents: i64,
}

/// What the points of a price are worth.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// So much.
    pub cents: i64,
    /// Unless they pay all of a bill, they pay a multiple of so much.
    pub step: i64,
}

/// How many there are.
#[derive(Clone, Copy, Debug)]
pub enum Supply {
    /// Enough.
    Endless,
    /// So many came to the shop.
    Units(i64),
    /// Each is a code, and so many were uploaded.
    Codes(i64),
}

/// How many units of a reward a wallet may have.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// So many.
    pub units: i64,
    /// On one day, otherwise ever.
    pub daily: bool,
}

/// What somebody wants to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The number of the reward.
    pub reward: usize,
    /// The number of its price.
    pub price: usize,
    /// How many.
    pub units: i64,
    /// The bill that is to be paid.
    pub bill: Option<Bill>,
}

/// What is to be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill {
    /// All of it.
    pub cents: i64,
    /// At most so many points are spent on it; none: as many as there are.
    pub most: Option<i64>,
}

/// How much of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All.
    All,
    /// So many points.
    Points(i64),
    /// So many units, or their points.
    Units(i64),
}

/// What is told of a reward that somebody has, or holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Points that it costs.
    pub points: i64,
    /// Points of them that were spent.
    pub captured: i64,
    /// Points of those that were given back.
    pub refunded: i64,
    /// How many were asked for.
    pub units: i64,
    /// How many were handed out.
    pub units_captured: i64,
    /// The bill that is paid.
    pub bill: Option<i64>,
    /// What is to be paid in money.
    pub cents: i64,
    /// The numbers of its codes, from 0 in the order in which they were uploaded.
    pub codes: Vec<i64>,
}

type Refused = &'static str;

impl Offer {
    /// Something for points alone, of which there is enough for everybody.
    pub fn plain(purse: usize, points: i64) -> Offer {
        let prices = vec![Price { purse, points, cents: 0 }];
        Offer { prices, rate: None, supply: Supply::Endless, limit: None }
    }
}

impl Rate {
    /// As much as possible of a bill is paid, with as few points as are worth that.
    fn share(self, price: i64, bill: Bill, available: i64) -> Result<(i64, i64), Refused> {
        let fewest = |cents: i64| (cents * price + self.cents - 1) / self.cents;
        let steps = (0..=bill.cents / self.step).rev().map(|n| n * self.step);
        let most = bill.most.unwrap_or(available);
        let mut payable = [bill.cents].into_iter().chain(steps).filter(|cents| fewest(*cents) <= most);
        let paid = payable.next().unwrap_or(0);
        match fewest(paid) {
            points if (1..=available).contains(&points) => Ok((points, bill.cents - paid)),
            _ => Err("INSUFFICIENT_POINTS"),
        }
    }
}

impl Purses {
    /// More of a reward come to the shop.
    pub fn restock(&mut self, reward: usize, more: i64) {
        match &mut self.rewards[reward].supply {
            Supply::Endless => {}
            Supply::Units(units) | Supply::Codes(units) => *units += more,
        }
    }

    /// How many of a reward came to the shop.
    pub fn supply(&self, reward: usize) -> Supply {
        self.rewards[reward].supply
    }

    /// Units that the shop still has; none: enough.
    pub fn left(&self, reward: usize) -> Option<i64> {
        match self.rewards[reward].supply {
            Supply::Endless => None,
            Supply::Units(units) | Supply::Codes(units) => Some(units - self.taken(reward, |_| true)),
        }
    }

    /// The points that are taken for a bill, and the cents that are left of it.
    ///
    /// # Errors
    /// The reason of a refusal.
    pub fn quote(&self, reward: usize, bill: Bill) -> Result<(i64, i64), Refused> {
        let Offer { prices, rate, .. } = &self.rewards[reward];
        let available = self.models[prices[0].purse].available();
        rate.ok_or("NO_PAYMENT_RATE")?.share(prices[0].points, bill, available)
    }

    /// Points are taken for a reward, and held.
    pub(crate) fn hold(&mut self, key: u32, wish: Wish, seconds: i64) -> Result<Told, Refused> {
        let Wish { reward, units, .. } = wish;
        let offer = self.rewards[reward].clone();
        let price = *offer.prices.get(wish.price).ok_or("REWARD_PRICE_NOT_FOUND")?;
        let now = self.models[price.purse].now;
        if let Some(Limit { units: most, daily }) = offer.limit {
            // What was asked for counts on the day on which it was.
            let counts = |at: i64| !daily || at.div_euclid(DAY) == now.div_euclid(DAY);
            if self.taken(reward, counts) + units > most {
                return Err("LIMIT_REACHED");
            }
        }
        if self.left(reward).is_some_and(|left| units > left) {
            return Err("OUT_OF_STOCK");
        }
        let (points, cents) = match (offer.rate, wish.bill) {
            (None, None) => (price.points * units, price.cents * units),
            (Some(_), None) => return Err("AMOUNT_REQUIRED"),
            (_, Some(bill)) => self.quote(reward, bill)?,
        };
        // Whoever has something for points of one currency comes by for those of others.
        self.models.iter_mut().for_each(|model| model.slide(now));
        let bill = wish.bill.map(|bill| bill.cents);
        let receipt = Receipt { points, units, bill, cents, ..Receipt::default() };
        self.models[price.purse].hold(key, reward, receipt.clone(), seconds)?;
        Ok(Told::Redeemed(receipt))
    }

    /// What happens to points that are held, or were spent.
    pub(crate) fn go_on(&mut self, key: u32, mut command: Do) -> Result<Told, Refused> {
        let (purse, i) = self.found(key).ok_or("REDEMPTION_NOT_FOUND")?;
        let Hold { reward, stage, receipt: before, .. } = self.models[purse].holds[i].clone();
        let mut cents_left = before.cents;
        if let (Do::Capture(_, Part::Points(most)), Some(cents)) = (command, before.bill)
            && stage == Stage::Held
            && most < before.points
        {
            // Fewer points pay less of the bill, and as few are taken as pay that.
            let Offer { prices, rate, .. } = &self.rewards[reward];
            let bill = Bill { cents, most: Some(most) };
            let (points, left) = rate.expect("a rate").share(prices[0].points, bill, most)?;
            (command, cents_left) = (Do::Capture(key, Part::Points(points)), left);
        }
        self.models[purse].go_on(i, command)?;
        let handed_out = self.holds_of(reward).map(|hold| count(hold.receipt.codes.len())).sum();
        let hold = &mut self.models[purse].holds[i];
        let of_codes = matches!(self.rewards[reward].supply, Supply::Codes(_));
        if of_codes && matches!(command, Do::Capture(..)) {
            hold.receipt.codes = (handed_out..).take(index(hold.receipt.units_captured)).collect();
        }
        hold.receipt.cents = cents_left;
        let receipt = hold.receipt.clone();
        let back = receipt.refunded - before.refunded;
        Ok(if back > 0 { Told::Refunded(receipt, back) } else { Told::Redeemed(receipt) })
    }

    /// The purse and the place of what has this key.
    pub(crate) fn found(&self, key: u32) -> Option<(usize, usize)> {
        let place = |(n, model): (usize, &Model)| {
            let i = model.holds.iter().position(|hold| hold.key == key)?;
            Some((n, i))
        };
        self.models.iter().enumerate().find_map(place)
    }

    fn holds_of(&self, reward: usize) -> impl Iterator<Item = &Hold> {
        self.models.iter().flat_map(|model| &model.holds).filter(move |hold| hold.reward == reward)
    }

    /// Units that went from the shop to the wallet and did not come back, of those that were asked for at
    /// certain moments.
    fn taken(&self, reward: usize, counts: impl Fn(i64) -> bool) -> i64 {
        let holds = self.holds_of(reward).filter(|hold| counts(hold.made));
        let taken = |hold: &Hold| match hold.stage {
            Stage::Held => hold.receipt.units,
            Stage::Captured => hold.receipt.units_captured,
            Stage::Voided | Stage::Expired => 0,
        };
        holds.map(taken).sum()
    }
}

pub(crate) fn index(points: i64) -> usize {
    usize::try_from(points).expect("points")
}
