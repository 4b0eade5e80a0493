//! What is known of a customer: the fold of the customer's observations, the same in every order.
//!
//! Every field is a sum, a minimum, a maximum, or the latest of something under a total order, so facts may
//! come late, in any order and interleaved between services.

use std::collections::BTreeMap;

use ambient::Time;
use uuid::Uuid;

use super::metric::Metric;
use super::observation::{Observation, What};

/// Everything that is known of a customer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// When the customer first joined a program.
    pub enroll_time: Option<Time>,
    /// The first purchase.
    pub first_purchase_time: Option<Time>,
    /// The latest purchase: recency.
    pub last_purchase_time: Option<Time>,
    /// Purchases, those of no value included: frequency.
    pub purchase_count: i64,
    /// What was paid.
    pub spend: Spend,
    /// How often the customer came by.
    pub visit_count: i64,
    /// Activities of every type.
    pub activity_count: i64,
    /// The latest likelihood to recommend.
    pub last_nps: Option<Given>,
    /// The latest satisfaction.
    pub last_csat: Option<Given>,
    /// Submissions with an answer.
    pub answer_count: i64,
    /// Submissions closed without an answer.
    pub dismissed_count: i64,
    /// Cases that were opened.
    pub cases_opened_count: i64,
    /// Cases that ended.
    pub cases_resolved_count: i64,
    /// The current tier.
    pub tier: Option<Tier>,
    /// Redemptions.
    pub redemption_count: i64,
    /// Points spent on them.
    pub points_spent: i64,
    /// The greatest order key of what was folded, in microseconds since 1970; 0 if nothing was.
    pub order_key: i64,
}

/// What was paid by currency, in millionths of its unit. Currencies are never added up, so that no rate and
/// no order of arrival decides about a sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spend(pub BTreeMap<String, i64>);

/// An answer that may be the latest. The greater one is: by time, then fact, then answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Given {
    /// When it was given.
    pub time: Time,
    /// The fact that told it.
    pub fact_id: Uuid,
    /// The answer.
    pub value: i32,
}

/// A tier that may be the current one. The greater one is: by effective time, then order key, then fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tier {
    /// When it took effect.
    pub time: Time,
    /// When that was announced.
    pub order_key: i64,
    /// The fact that told it.
    pub fact_id: Uuid,
    /// The tier; empty if it is none.
    pub tier_id: String,
    /// Its position, from 1.
    pub rank: i32,
}

impl Profile {
    /// Adds a fact. Adding the same one twice counts it twice: the caller leaves out what is there already.
    pub fn add(&mut self, observation: &Observation) {
        let Observation { fact_id, ordinal, order_key, time, .. } = *observation;
        self.order_key = self.order_key.max(order_key);
        match &observation.what {
            What::Answer { metric, value, .. } => {
                // A submission with several answers is one.
                self.answer_count += i64::from(ordinal == 0);
                let given = Some(Given { time, fact_id, value: *value });
                match metric {
                    Metric::Nps => self.last_nps = self.last_nps.max(given),
                    Metric::Csat => self.last_csat = self.last_csat.max(given),
                    Metric::CesHighIsEasy | Metric::CesHighIsHard => {}
                }
            }
            What::Unrated(_) => self.answer_count += 1,
            What::Dismissed(_) => self.dismissed_count += 1,
            What::Purchase { amount_micros, currency } => {
                self.activity_count += 1;
                self.purchase_count += 1;
                self.first_purchase_time = earlier(self.first_purchase_time, time);
                self.last_purchase_time = self.last_purchase_time.max(Some(time));
                self.spend.add(currency, *amount_micros);
            }
            What::Visit => {
                self.activity_count += 1;
                self.visit_count += 1;
            }
            What::Activity => self.activity_count += 1,
            What::CaseOpened(_) => self.cases_opened_count += 1,
            What::CaseResolved(_) => self.cases_resolved_count += 1,
            What::TierChanged { tier_id, rank } => {
                let tier = Tier { time, order_key, fact_id, tier_id: tier_id.clone(), rank: *rank };
                self.tier = self.tier.take().max(Some(tier));
            }
            What::Redeemed { points, .. } => {
                self.redemption_count += 1;
                self.points_spent = self.points_spent.saturating_add(*points);
            }
            What::Enrolled(_) => self.enroll_time = earlier(self.enroll_time, time),
        }
    }

    /// Cases that were opened and did not end yet. An end that arrives before its beginning is not less than
    /// none.
    pub fn cases_open_count(&self) -> i64 {
        self.cases_opened_count.saturating_sub(self.cases_resolved_count).max(0)
    }
}

impl Spend {
    /// Adds an amount that is not negative. At the end of what can be counted it stays there, in any order.
    pub fn add(&mut self, currency: &str, amount_micros: i64) {
        match self.0.get_mut(currency) {
            Some(sum) => *sum = sum.saturating_add(amount_micros),
            None => {
                self.0.insert(currency.to_owned(), amount_micros);
            }
        }
    }
}

fn earlier(known: Option<Time>, time: Time) -> Option<Time> {
    Some(known.map_or(time, |known| known.min(time)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::super::observation::Place;
    use super::*;

    fn what() -> impl Strategy<Value = What> {
        let currency = || select(vec!["EUR".to_owned(), "USD".to_owned()]);
        let answer = (select(Metric::ALL.to_vec()), 0..11_i32).prop_map(|(metric, value)| What::Answer {
            metric,
            value,
            place: Place::default(),
        });
        prop_oneof![
            4 => answer,
            1 => Just(What::Dismissed(Place::default())),
            1 => Just(What::Unrated(Place::default())),
            4 => (prop_oneof![0..100_i64, Just(i64::MAX - 5)], currency())
                .prop_map(|(amount_micros, currency)| What::Purchase { amount_micros, currency }),
            1 => Just(What::Visit),
            1 => Just(What::Activity),
            1 => Just(What::CaseOpened(Uuid::nil())),
            1 => Just(What::CaseResolved(Uuid::nil())),
            3 => (select(vec!["", "base", "gold"]), 0..3_i32)
                .prop_map(|(tier, rank)| What::TierChanged { tier_id: tier.to_owned(), rank }),
            1 => (0..i64::MAX).prop_map(|points| What::Redeemed { points, reward_id: "mug".into() }),
            1 => Just(What::Enrolled("club".into())),
        ]
    }

    /// Few moments, facts and order keys, so that most comparisons are ties of some sort.
    fn observation() -> impl Strategy<Value = Observation> {
        (1..4_u128, 0..2_i32, 1..4_i64, -2..3_i64, what()).prop_map(
            |(fact, ordinal, order_key, time, what)| Observation {
                fact_id: Uuid::from_u128(fact),
                ordinal,
                order_key,
                anonymous: false,
                time: Time::from_micros(time),
                what,
            },
        )
    }

    fn fold(observations: &[Observation]) -> Profile {
        let mut profile = Profile::default();
        observations.iter().for_each(|observation| profile.add(observation));
        profile
    }

    proptest! {
        #[test]
        fn any_order_gives_the_same_profile(
            (told, shuffled) in prop::collection::vec(observation(), 0..24)
                .prop_flat_map(|told| (Just(told.clone()), Just(told).prop_shuffle())),
        ) {
            prop_assert_eq!(fold(&told), fold(&shuffled));
        }
    }

    #[test]
    fn the_latest_answer_is_the_one_that_was_given_last() {
        let answer = |fact: u128, time: i64, value: i32| Observation {
            fact_id: Uuid::from_u128(fact),
            ordinal: 0,
            order_key: 9 - time,
            anonymous: false,
            time: Time::from_micros(time),
            what: What::Answer { metric: Metric::Nps, value, place: Place::default() },
        };
        let told = [answer(1, 5, 10), answer(7, 3, 0), answer(2, 5, 6)];
        let profile = fold(&told);
        let latest = profile.last_nps.map(|given| (given.value, given.time.micros()));
        assert_eq!((latest, profile.answer_count, profile.order_key), (Some((6, 5)), 3, 6));
    }
}
