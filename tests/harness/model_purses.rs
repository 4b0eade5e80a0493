//! A model of a wallet with several points currencies: one of [`Model`] for each. They know nothing of each
//! other but what the member does, and what it has.

use crate::model::{Do, Model, Policy, Standing, Told};
use crate::model_rewards::{Offer, Part};

/// The rules of a program: those of its main currency, and of a further one if it has one.
#[derive(Clone, Debug)]
pub struct Shop {
    /// By purse. They agree in all but what purchases earn and how long points live.
    pub purses: Vec<Policy>,
    /// Tiers count credits, of which purchases earn one for each cent; otherwise what was spent.
    pub by_credits: bool,
    /// What points buy.
    pub rewards: Vec<Offer>,
}

/// One wallet.
#[derive(Clone, Debug)]
pub struct Purses {
    pub(crate) models: Vec<Model>,
    pub(crate) rewards: Vec<Offer>,
    standing: Standing,
}

impl Purses {
    /// An empty wallet.
    pub fn new(shop: &Shop, now: i64) -> Purses {
        let models = shop.purses.iter().map(|policy| Model::new(*policy, now)).collect();
        Purses { models, rewards: shop.rewards.clone(), standing: Standing::Active }
    }

    /// What is known of each currency.
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// The purse that a command is about, if it names one: that which pays, or which held the points already.
    pub fn about(&self, purse: usize, command: Do) -> usize {
        let price = command.wish().and_then(|wish| self.rewards[wish.reward].prices.get(wish.price));
        let held = command.held().and_then(|key| self.found(key));
        price.map(|price| price.purse).or(held.map(|(purse, _)| purse)).unwrap_or(purse)
    }

    /// Answers at `now`, which is never before anything that it changed: for each currency, or for the named
    /// one if the command is about one.
    pub fn run(&mut self, purse: usize, command: Do, now: i64) -> Vec<Told> {
        self.models.iter_mut().for_each(|model| model.settle(now));
        let mut tried = self.clone();
        match tried.decide(purse, command) {
            Ok(told) => {
                *self = tried;
                told
            }
            Err(reason) => vec![Told::Refused(reason)],
        }
    }

    fn decide(&mut self, purse: usize, command: Do) -> Result<Vec<Told>, &'static str> {
        self.allow(command)?;
        match command {
            Do::Become(to) => self.change(to),
            Do::Hold(key, wish, seconds) => Ok(vec![self.hold(key, wish, seconds)?]),
            Do::Redeem(key, wish) => {
                self.hold(key, wish, 0)?;
                Ok(vec![self.go_on(key, Do::Capture(key, Part::All))?])
            }
            Do::Capture(key, _) | Do::Void(key) | Do::Lengthen(key, _) | Do::Refund(key, _) => {
                Ok(vec![self.go_on(key, command)?])
            }
            Do::Adjust(_) | Do::Extend(..) | Do::Reinstate(_) => {
                Ok(vec![self.models[purse].decide(command)?])
            }
            Do::Buy { .. } | Do::Confirm(_) | Do::Cancel(_) | Do::Return(..) | Do::Settle => {
                self.models.iter_mut().map(|model| model.decide(command)).collect()
            }
        }
    }

    fn allow(&self, command: Do) -> Result<(), &'static str> {
        let acts = matches!(command, Do::Buy { .. } | Do::Redeem(..) | Do::Hold(..));
        match self.standing {
            _ if matches!(command, Do::Settle | Do::Become(_)) => Ok(()),
            Standing::Suspended if acts => Err("MEMBER_SUSPENDED"),
            Standing::Closed => Err("MEMBER_CLOSED"),
            Standing::Active | Standing::Suspended => Ok(()),
        }
    }

    /// Tells how many points were forfeited.
    fn change(&mut self, to: Standing) -> Result<Vec<Told>, &'static str> {
        let was_closed = self.standing == Standing::Closed;
        if was_closed && to != Standing::Closed {
            return Err("MEMBER_CLOSED");
        }
        self.standing = to;
        let leaves = to == Standing::Closed && !was_closed;
        let forfeited = |model: &mut Model| Told::Points(if leaves { model.forfeit() } else { 0 });
        Ok(self.models.iter_mut().map(forfeited).collect())
    }

    /// Points must always add up, and no more is given away than there is.
    pub fn assert_sound(&self) {
        self.models.iter().for_each(Model::assert_sound);
        assert!((0..self.rewards.len()).all(|n| self.left(n).is_none_or(|left| left >= 0)), "{self:?}");
    }
}
