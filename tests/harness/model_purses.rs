//! A model of a wallet with several points currencies: one of [`Model`] for each. They know nothing of each
//! other but what the member does.

use crate::model::{Do, Model, Policy, Told};

/// The rules of a program: those of its main currency, and of a further one if it has one.
#[derive(Clone, Debug)]
pub struct Shop {
    /// By purse. They agree in all but what purchases earn and how long points live.
    pub purses: Vec<Policy>,
    /// Tiers count credits, of which purchases earn one for each cent; otherwise what was spent.
    pub by_credits: bool,
}

/// One wallet.
#[derive(Clone, Debug)]
pub struct Purses(Vec<Model>);

impl Purses {
    /// An empty wallet.
    pub fn new(shop: &Shop, now: i64) -> Purses {
        Purses(shop.purses.iter().map(|policy| Model::new(*policy, now)).collect())
    }

    /// What is known of each currency.
    pub fn models(&self) -> &[Model] {
        &self.0
    }

    /// The purse that a command is about, if it names one: that which held the points already.
    pub fn about(&self, purse: usize, command: Do) -> usize {
        let held = command.held().and_then(|key| self.0.iter().position(|model| model.knows(key)));
        held.unwrap_or(purse)
    }

    /// Answers at `now`: for each currency, or for the named one if the command is about one.
    pub fn run(&mut self, purse: usize, command: Do, now: i64) -> Vec<Told> {
        let purse = self.about(purse, command);
        let mut tried = self.0.clone();
        let told = if command.names_currency() {
            let told = tried[purse].run(command, now);
            for (_, other) in tried.iter_mut().enumerate().filter(|(n, _)| *n != purse) {
                other.run(if command.comes() { Do::Come } else { Do::Settle }, now);
            }
            vec![told]
        } else {
            tried.iter_mut().map(|model| model.run(command, now)).collect()
        };
        match told.iter().find(|told| matches!(told, Told::Refused(_))) {
            None => {
                self.0 = tried;
                told
            }
            Some(refused) => {
                for model in &mut self.0 {
                    model.run(Do::Settle, now);
                }
                vec![*refused]
            }
        }
    }

    /// Points must always add up.
    pub fn assert_sound(&self) {
        self.0.iter().for_each(Model::assert_sound);
    }
}
