//! Things that points buy.

use ambient::Time;

/// One reward of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reward {
    /// The program that offers it.
    pub program_id: String,
    /// The caller's own identifier.
    pub id: String,
    /// A name for people.
    pub display_name: String,
    /// Price of one unit in points.
    pub price_points: i64,
    /// The code of their currency; empty: the main one.
    pub currency: String,
    /// The version that redemptions pin.
    pub version: i64,
    /// When it was created.
    pub create_time: Time,
    /// Whether units are counted.
    pub counted: bool,
}

/// How many units of a reward there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stock {
    /// Without limit.
    Unlimited,
    /// Units left.
    Remaining(i64),
}
