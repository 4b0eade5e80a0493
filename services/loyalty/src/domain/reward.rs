//! Things that points buy: what one unit costs, who may have it, and how many there are.
//!
//! What keeps a member from a reward is found in one place, for those who redeem it and for those who look
//! first.

use ambient::Time;
use serde::{Deserialize, Serialize};

use super::rules::{CapOf, Counter, Eligibility, Period, period_start};
use super::{Bill, Currency, Member, Money, PaymentRate, Program, Refusal, Share, Wallet, Worth, local_date};

/// One reward of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reward {
    /// The program that offers it.
    pub program_id: String,
    /// The caller's own identifier.
    pub id: String,
    /// A name for people.
    pub display_name: String,
    /// What one unit costs.
    pub price: Price,
    /// What else was agreed.
    pub terms: RewardTerms,
    /// How its units are counted.
    pub supply: Supply,
    /// The version that redemptions pin.
    pub version: i64,
    /// When it was created.
    pub create_time: Time,
}

/// What one unit of a reward costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// What redemptions name it by; empty: the reward's own.
    pub id: String,
    /// Whole points.
    pub points: i64,
    /// The code of their currency; empty: the main one.
    pub currency: String,
    /// What is paid beside them.
    pub money: Option<Money>,
}

/// When and by whom a reward may be had, and how it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewardTerms {
    /// Other prices, each with an id of its own.
    pub other_prices: Vec<Price>,
    /// From when it can be had, in microseconds.
    pub start_micros: Option<i64>,
    /// Up to but without when it can be had, in microseconds.
    pub end_micros: Option<i64>,
    /// The lowest tier whose members may have it; empty: any.
    pub min_tier_id: String,
    /// Whose members may have it.
    pub eligibility: Option<Eligibility>,
    /// How many units a wallet may have.
    pub limit: Option<UnitLimit>,
    /// What the points of its own price are worth, if they pay bills.
    pub rate: Option<PaymentRate>,
    /// How it reaches whoever redeems it.
    pub fulfilment: Fulfilment,
    /// By language.
    pub texts: Vec<RewardText>,
    /// Where pictures of it are.
    pub image_uris: Vec<String>,
}

/// How many units of a reward a wallet may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitLimit {
    /// At most so many.
    pub units_max: i64,
    /// When they are counted anew.
    pub period: Period,
}

/// How a reward reaches whoever redeems it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fulfilment {
    /// Not said.
    #[default]
    Unspecified,
    /// As a code that somebody else accepts.
    VoucherCode,
    /// As less to pay.
    Discount,
    /// As a thing.
    Product,
    /// By a partner.
    Partner,
    /// As a gift to others.
    Donation,
}

/// A reward in one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewardText {
    /// BCP 47 tag.
    pub language: String,
    /// What it is called.
    pub title: String,
    /// What it is.
    pub description: String,
    /// What whoever redeems it agrees to.
    pub terms: String,
}

/// How units of a reward are counted. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Supply {
    /// Not at all.
    Unlimited = 0,
    /// One by one.
    Counted = 1,
    /// Each is a code of a pool.
    Codes = 2,
}

/// How many units of a reward there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stock {
    /// Without limit.
    Unlimited,
    /// Units left.
    Remaining(i64),
}

/// Who asks for a reward, and when.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The program.
    pub program: &'a Program,
    /// What pays for it.
    pub wallet: &'a Wallet,
    /// Who asks, if the reward asks who that is.
    pub member: Option<&'a Member>,
    /// Units that count for the reward's limit.
    pub had: i64,
    /// When.
    pub now: Time,
}

/// Why a reward cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RewardRefusal {
    /// It has no such price.
    PriceNotFound {
        /// The id given.
        price_id: String,
    },
    /// It cannot be had yet.
    NotStarted {
        /// From when.
        start: Time,
    },
    /// It cannot be had any more.
    Ended {
        /// Since when.
        end: Time,
    },
    /// It is for higher tiers.
    TierTooLow {
        /// The lowest of them.
        min_tier_id: String,
    },
    /// It is for other members.
    NotEligible,
    /// Its points pay bills, and none was named.
    BillRequired,
    /// A bill was named, and its points pay none.
    NoPaymentRate,
    /// Its points pay bills in another currency.
    OtherCurrency {
        /// That of its rate.
        expected: Currency,
        /// That of the bill.
        given: Currency,
    },
    /// The wallet would have more units than it may.
    LimitReached {
        /// Units asked for.
        quantity: i64,
        /// Units that it may still have.
        left: i64,
    },
}

impl From<RewardRefusal> for Refusal {
    fn from(refusal: RewardRefusal) -> Refusal {
        Refusal::Reward(refusal)
    }
}

impl Stock {
    /// As many units as a reward is given at most, those that went counted too.
    pub const UNITS_MAX: i64 = 1_000_000_000_000;
}

impl Supply {
    /// The supply with this stored number.
    pub fn from_number(number: i32) -> Option<Supply> {
        use Supply::{Codes, Counted, Unlimited};
        [Unlimited, Counted, Codes].into_iter().find(|supply| *supply as i32 == number)
    }
}

impl Price {
    /// So many points of a currency, and nothing else.
    pub fn of(points: i64, currency: impl Into<String>) -> Price {
        Price { id: String::new(), points, currency: currency.into(), money: None }
    }

    /// How many points that is for a wallet, in its tier.
    pub fn points_of(&self, program: &Program, wallet: &Wallet, now: Time) -> i64 {
        program.ladder.discounted(local_date(program.time_zone, now), wallet.tier.rank, self.points)
    }
}

impl Default for RewardTerms {
    /// Everybody may have it at any time.
    fn default() -> RewardTerms {
        RewardTerms {
            other_prices: Vec::new(),
            start_micros: None,
            end_micros: None,
            min_tier_id: String::new(),
            eligibility: None,
            limit: None,
            rate: None,
            fulfilment: Fulfilment::Unspecified,
            texts: Vec::new(),
            image_uris: Vec::new(),
        }
    }
}

impl Reward {
    /// What one unit costs: its own price first, then others.
    pub fn prices(&self) -> impl Iterator<Item = &Price> {
        [&self.price].into_iter().chain(&self.terms.other_prices)
    }

    /// The price with this id; its own if that is empty.
    ///
    /// # Errors
    /// `PriceNotFound`.
    pub fn price(&self, id: &str) -> Result<&Price, Refusal> {
        let missing = || RewardRefusal::PriceNotFound { price_id: id.to_owned() };
        Ok(self.prices().find(|price| price.id == id).ok_or_else(missing)?)
    }

    /// What the points of its own price are worth to a wallet now, if they pay bills.
    pub fn worth(&self, program: &Program, wallet: &Wallet, now: Time) -> Option<Worth> {
        let points = self.price.points_of(program, wallet, now).max(1);
        self.terms.rate.map(|rate| Worth { points, rate })
    }

    /// What a wallet's points pay of a bill now.
    ///
    /// # Errors
    /// `NoPaymentRate`, and as [`PaymentRate::share`]; `InsufficientPoints` if there are not as many as the
    /// bill names, or as pay for anything of it.
    pub fn share(&self, program: &Program, wallet: &Wallet, bill: Bill, now: Time) -> Result<Share, Refusal> {
        let worth = self.worth(program, wallet, now).ok_or(RewardRefusal::NoPaymentRate)?;
        let Worth { points: price, rate } = worth;
        let purse = program.spendable(&self.price.currency)?;
        let available = wallet.purse(purse).totals.available;
        let share = rate.share(price, bill.amount, bill.points.unwrap_or(available))?;
        let least = rate.points_for(price, rate.step_micros.min(bill.amount.micros))?;
        let needed = share.points.max(least);
        if needed > available {
            return Err(Refusal::InsufficientPoints { needed, available });
        }
        if share.points == 0 {
            // There are enough, but fewer were to be spent.
            let available = bill.points.unwrap_or(available);
            return Err(Refusal::InsufficientPoints { needed, available });
        }
        Ok(share)
    }

    /// The fewest points that a wallet needs which pays `points` for one unit: of a reward that pays bills,
    /// those for one step of a bill, as [`Reward::share`] has it.
    ///
    /// # Errors
    /// `AmountOverflow` if they are too many to be counted.
    pub fn least(&self, points: i64) -> Result<i64, Refusal> {
        let Some(rate) = self.terms.rate else { return Ok(points) };
        rate.points_for(points.max(1), rate.step_micros)
    }

    /// True if it must be known who asks for it.
    pub fn names_member(&self) -> bool {
        self.terms.eligibility.as_ref().is_some_and(Eligibility::names_member)
    }

    /// What units of it count under that a wallet takes at a moment; `None` if they are not limited.
    pub fn counter(&self, program: &Program, at: Time) -> Option<Counter> {
        unit_counter(&self.id, self.terms.limit?.period, program, at)
    }

    /// Everything that keeps somebody from having so many units, whatever is paid for them.
    pub fn barred(&self, asker: Asker<'_>, stock: Stock, quantity: i64) -> Vec<Refusal> {
        let Asker { program, wallet, now, .. } = asker;
        let mut barred: Vec<Refusal> = Vec::new();
        let (start, end) = (self.terms.start_micros, self.terms.end_micros);
        if let Some(start) = start.map(Time::from_micros).filter(|start| now < *start) {
            barred.push(RewardRefusal::NotStarted { start }.into());
        }
        if let Some(end) = end.map(Time::from_micros).filter(|end| *end <= now) {
            barred.push(RewardRefusal::Ended { end }.into());
        }
        let (rank, min_tier_id) = (wallet.tier.rank, &self.terms.min_tier_id);
        if !min_tier_id.is_empty() && program.ladder.rank_of(min_tier_id).is_none_or(|min| rank < min) {
            barred.push(RewardRefusal::TierTooLow { min_tier_id: min_tier_id.clone() }.into());
        }
        if let Some(eligibility) = &self.terms.eligibility {
            // Of a household that is named itself, nothing is known of a member.
            let is_known = asker.member.is_some() || !eligibility.names_member();
            let facts = asker.member.map(Member::facts).unwrap_or_default();
            if !is_known || !eligibility.holds(&facts, (program.ladder.tier_id(rank), rank), now) {
                barred.push(RewardRefusal::NotEligible.into());
            }
        }
        if let Some(limit) = self.terms.limit {
            let left = limit.units_max.saturating_sub(asker.had).max(0);
            if quantity > left {
                barred.push(RewardRefusal::LimitReached { quantity, left }.into());
            }
        }
        if let Stock::Remaining(remaining) = stock
            && remaining < quantity
        {
            barred.push(Refusal::OutOfStock { reward_id: self.id.clone(), remaining });
        }
        barred
    }
}

impl RewardTerms {
    /// The text in a language; otherwise in one that is close, otherwise the first.
    pub fn text(&self, language: &str) -> Option<&RewardText> {
        let main = |tag: &str| tag.split('-').next().unwrap_or("").to_ascii_lowercase();
        let same = || self.texts.iter().find(|text| text.language.eq_ignore_ascii_case(language));
        let close = || self.texts.iter().find(|text| main(&text.language) == main(language));
        same().or_else(close).or(self.texts.first())
    }
}

/// What units of a reward count under.
pub(super) fn unit_counter(reward_id: &str, period: Period, program: &Program, at: Time) -> Option<Counter> {
    let period_start = period_start(period, local_date(program.time_zone, at))?;
    let name = format!("reward:{reward_id}:{}", period.name());
    Some(Counter { of: CapOf::Member, name, period_start })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Ledger, adjust, at, reward, usd_micros};
    use super::*;

    fn asker<'a>(ledger: &'a Ledger, had: i64, now: Time) -> Asker<'a> {
        Asker { program: &ledger.program, wallet: &ledger.state.wallet, member: None, had, now }
    }

    #[test]
    fn all_that_is_in_the_way_is_told_at_once() {
        let now = at("2026-05-05T10:00:00Z");
        let ledger = Ledger::opened(now);
        let terms = RewardTerms {
            start_micros: Some(now.plus_micros(1).micros()),
            end_micros: Some(now.micros()),
            min_tier_id: "no such tier".into(),
            eligibility: Some(Eligibility::try_new("tier.rank > 7").unwrap()),
            limit: Some(UnitLimit { units_max: 3, period: Period::Month }),
            ..RewardTerms::default()
        };
        let offer = Reward { terms, ..reward(100) };
        let start = now.plus_micros(1);
        let told = [
            RewardRefusal::NotStarted { start }.into(),
            RewardRefusal::Ended { end: now }.into(),
            RewardRefusal::TierTooLow { min_tier_id: "no such tier".into() }.into(),
            RewardRefusal::NotEligible.into(),
            RewardRefusal::LimitReached { quantity: 2, left: 1 }.into(),
            Refusal::OutOfStock { reward_id: "mug".into(), remaining: 1 },
        ];
        assert_eq!(offer.barred(asker(&ledger, 2, now), Stock::Remaining(1), 2), told);
    }

    #[test]
    fn a_reward_can_be_had_from_its_start_up_to_its_end() {
        let now = at("2026-05-05T10:00:00Z");
        let ledger = Ledger::opened(now);
        let (start, end) = (now.micros(), now.plus_micros(10).micros());
        let terms = RewardTerms {
            start_micros: Some(start),
            end_micros: Some(end),
            limit: Some(UnitLimit { units_max: 3, period: Period::Month }),
            ..RewardTerms::default()
        };
        let offer = Reward { terms, ..reward(100) };
        let barred = |at, quantity| offer.barred(asker(&ledger, 1, at), Stock::Remaining(2), quantity).len();
        assert_eq!(barred(now.plus_micros(-1), 2), 1);
        assert_eq!(barred(now, 2), 0);
        assert_eq!(barred(now.plus_micros(9), 2), 0);
        assert_eq!(barred(now.plus_micros(10), 2), 1);
        assert_eq!(barred(now, 3), 2, "one more than the limit, and than there are");
    }

    #[test]
    fn what_pays_bills_needs_no_more_than_pays_for_one_step() {
        let now = at("2026-05-05T10:00:00Z");
        let mut ledger = Ledger::opened(now);
        let (per, step_micros) = (usd_micros(1_000_000), 10_000);
        let terms = RewardTerms { rate: Some(PaymentRate { per, step_micros }), ..RewardTerms::default() };
        let offer = Reward { terms, ..reward(150) };
        assert_eq!((reward(150).least(150), offer.least(150), offer.least(0)), (Ok(150), Ok(2), Ok(1)));
        let bill = Bill { amount: usd_micros(10_000_000), points: None };
        for (available, enough) in [(1, false), (2, true)] {
            ledger.run(&adjust(1, None), now).unwrap();
            assert_eq!(ledger.available(), available);
            let share = offer.share(&ledger.program, &ledger.state.wallet, bill, now);
            assert_eq!(share.is_ok(), enough, "{share:?}");
        }
    }

    #[test]
    fn texts_are_found_by_language() {
        let text = |language: &str| RewardText {
            language: language.into(),
            title: language.into(),
            description: String::new(),
            terms: String::new(),
        };
        let texts = ["en", "pt-BR", "pt-PT"].map(text).to_vec();
        let terms = RewardTerms { texts, ..RewardTerms::default() };
        let found = |language: &str| terms.text(language).map(|text| text.title.as_str());
        assert_eq!(found("PT-pt"), Some("pt-PT"));
        assert_eq!(found("pt"), Some("pt-BR"));
        assert_eq!(found("en-GB"), Some("en"));
        assert_eq!(found("de"), Some("en"));
        assert_eq!(RewardTerms::default().text("en"), None);
    }
}
