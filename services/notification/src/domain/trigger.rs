//! Which messages an event of another service leads to.

use ambient::Time;
use uuid::Uuid;

use super::shipped::Shipped;
use super::template::{Datum, Values};

/// What happened elsewhere, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// A complaint became a case.
    CaseOpened {
        /// Whose complaint; nil if nobody may be recognised.
        customer_id: Uuid,
        /// The case.
        case_id: Uuid,
        /// Until when the customer must have a first answer.
        respond_due_time: Time,
    },
    /// A case ended.
    CaseResolved {
        /// Whose complaint; nil if nobody may be recognised.
        customer_id: Uuid,
        /// The case.
        case_id: Uuid,
        /// When it was opened.
        open_time: Time,
    },
    /// Points were spent on a reward.
    RewardRedeemed {
        /// Who redeemed.
        member_id: Uuid,
        /// What.
        reward_id: String,
        /// How many units.
        quantity: i64,
        /// Points paid.
        points: i64,
        /// Points left.
        available: i64,
        /// The code of their currency.
        currency: String,
    },
    /// The current tier changed, upwards or downwards.
    TierChanged {
        /// Whose wallet.
        wallet_id: Uuid,
        /// The tier before; empty if there was none.
        from_tier_id: String,
        /// The tier now.
        to_tier_id: String,
        /// The position of the tier before, from 1; 0 if there was none or its source does not say.
        from_rank: i32,
        /// The position of the tier now; higher is better.
        to_rank: i32,
    },
    /// The current tier ends soon.
    TierAtRisk {
        /// Whose wallet.
        wallet_id: Uuid,
        /// The tier.
        tier_id: String,
        /// When it ends.
        end_time: Time,
        /// What is missing to keep it, for people; empty if anything more keeps it.
        to_stay: String,
    },
    /// Points will expire soon.
    PointsExpiring {
        /// Whose wallet.
        wallet_id: Uuid,
        /// How many will.
        points: i64,
        /// When the first of them do.
        first_expire_time: Time,
        /// When the last of them do.
        last_expire_time: Time,
        /// Points available now, these included.
        available: i64,
        /// The code of their currency.
        currency: String,
    },
}

/// A message to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// What it says.
    pub template: Shipped,
    /// To whom: a member or a wallet.
    pub recipient_id: Uuid,
    /// What fills its variables.
    pub values: Values,
}

impl Occurrence {
    /// The messages it leads to, in their order. A lower tier is no message, and the anonymous get none.
    pub fn triggers(&self) -> Vec<Trigger> {
        if self.is_for_nobody() {
            return Vec::new();
        }
        let made = match self {
            Occurrence::CaseOpened { customer_id, case_id, respond_due_time } => trigger(
                Shipped::ComplaintReceived,
                *customer_id,
                [
                    ("case_id", Datum::Text(case_id.to_string())),
                    ("respond_due_date", Datum::Text(date(*respond_due_time))),
                ],
            ),
            Occurrence::CaseResolved { customer_id, case_id, open_time } => trigger(
                Shipped::ComplaintResolved,
                *customer_id,
                [("case_id", Datum::Text(case_id.to_string())), ("open_date", Datum::Text(date(*open_time)))],
            ),
            Occurrence::RewardRedeemed { member_id, reward_id, quantity, points, available, currency } => {
                trigger(
                    Shipped::RewardRedeemed,
                    *member_id,
                    [
                        ("reward_id", Datum::Text(reward_id.clone())),
                        ("quantity", Datum::Number(*quantity)),
                        ("points", Datum::Number(*points)),
                        ("available", Datum::Number(*available)),
                        ("currency_code", Datum::Text(currency.clone())),
                    ],
                )
            }
            Occurrence::TierChanged { wallet_id, from_tier_id, to_tier_id, .. } => trigger(
                Shipped::TierUp,
                *wallet_id,
                [
                    ("from_tier_id", Datum::Text(from_tier_id.clone())),
                    ("to_tier_id", Datum::Text(to_tier_id.clone())),
                ],
            ),
            Occurrence::TierAtRisk { wallet_id, tier_id, end_time, to_stay } => trigger(
                Shipped::TierAtRisk,
                *wallet_id,
                [
                    ("tier_id", Datum::Text(tier_id.clone())),
                    ("end_date", Datum::Text(date(*end_time))),
                    ("to_stay", Datum::Text(to_stay.clone())),
                ],
            ),
            Occurrence::PointsExpiring {
                wallet_id,
                points,
                first_expire_time,
                last_expire_time,
                available,
                currency,
            } => trigger(
                Shipped::PointsExpiring,
                *wallet_id,
                [
                    ("points", Datum::Number(*points)),
                    ("available", Datum::Number(*available)),
                    ("first_expire_date", Datum::Text(date(*first_expire_time))),
                    ("last_expire_date", Datum::Text(date(*last_expire_time))),
                    ("currency_code", Datum::Text(currency.clone())),
                ],
            ),
        };
        vec![made]
    }

    fn is_for_nobody(&self) -> bool {
        match self {
            Occurrence::CaseOpened { customer_id, .. } | Occurrence::CaseResolved { customer_id, .. } => {
                customer_id.is_nil()
            }
            Occurrence::TierChanged { from_rank, to_rank, .. } => to_rank <= from_rank,
            _ => false,
        }
    }
}

/// The id of a message: the same whenever its event comes again.
pub fn notification_id(event_id: Uuid, template_id: &str, ordinal: usize) -> Uuid {
    Uuid::new_v5(&event_id, format!("{template_id}/{ordinal}").as_bytes())
}

fn trigger<const N: usize>(template: Shipped, recipient_id: Uuid, named: [(&str, Datum); N]) -> Trigger {
    Trigger { template, recipient_id, values: values(named) }
}

fn values<const N: usize>(named: [(&str, Datum); N]) -> Values {
    named.into_iter().map(|(name, datum)| (name.to_owned(), datum)).collect()
}

/// The date in UTC: the event does not say which zone its program counts in.
fn date(at: Time) -> String {
    at.utc().date_naive().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier_changed(from_rank: i32, to_rank: i32) -> Occurrence {
        Occurrence::TierChanged {
            wallet_id: Uuid::from_u128(1),
            from_tier_id: "base".into(),
            to_tier_id: "gold".into(),
            from_rank,
            to_rank,
        }
    }

    #[test]
    fn only_a_rise_is_told() {
        for (from_rank, to_rank) in [(1, 1), (3, 2), (0, 0), (1, 0), (i32::MAX, i32::MIN)] {
            assert_eq!(tier_changed(from_rank, to_rank).triggers(), [], "{from_rank} to {to_rank}");
        }
        for (from_rank, to_rank) in [(1, 2), (0, 1), (-1, 0)] {
            let triggers = tier_changed(from_rank, to_rank).triggers();
            assert_eq!(triggers.len(), 1, "{from_rank} to {to_rank}");
            assert_eq!(triggers[0].template, Shipped::TierUp);
        }
    }

    #[test]
    fn the_anonymous_are_told_nothing() {
        let (customer_id, case_id, at) = (Uuid::nil(), Uuid::from_u128(1), Time::from_micros(0));
        let opened = Occurrence::CaseOpened { customer_id, case_id, respond_due_time: at };
        let resolved = Occurrence::CaseResolved { customer_id, case_id, open_time: at };
        assert_eq!((opened.triggers(), resolved.triggers()), (Vec::new(), Vec::new()));
    }

    /// A template may use any of its variables, so an event must bring them all, and no others.
    #[test]
    fn every_trigger_brings_the_variables_of_its_template() {
        let id = Uuid::from_u128(1);
        let at = Time::from_micros(0);
        let occurrences = [
            Occurrence::CaseOpened { customer_id: id, case_id: id, respond_due_time: at },
            Occurrence::CaseResolved { customer_id: id, case_id: id, open_time: at },
            Occurrence::RewardRedeemed {
                member_id: id,
                reward_id: "mug".into(),
                quantity: 1,
                points: 10,
                available: 5,
                currency: "coins".into(),
            },
            tier_changed(1, 2),
            Occurrence::TierAtRisk {
                wallet_id: id,
                tier_id: "gold".into(),
                end_time: at,
                to_stay: "3".into(),
            },
            Occurrence::PointsExpiring {
                wallet_id: id,
                points: 10,
                first_expire_time: Time::from_micros(0),
                last_expire_time: Time::from_micros(1),
                available: 20,
                currency: "coins".into(),
            },
        ];
        for trigger in occurrences.iter().flat_map(Occurrence::triggers) {
            let template = trigger.template.template();
            let same = |(name, datum): (&String, &Datum)| {
                let sample = template.samples().get(name).cloned();
                sample.is_some_and(|s| std::mem::discriminant(&s) == std::mem::discriminant(datum))
            };
            assert_eq!(trigger.values.len(), template.variables.len(), "{}", template.id);
            assert!(trigger.values.iter().all(same), "{}", template.id);
            assert!(template.render(&trigger.values).is_ok(), "{}", template.id);
        }
    }

    #[test]
    fn dates_are_days_of_utc() {
        let day = 86_400_000_000;
        assert_eq!(date(Time::from_micros(day - 1)), "1970-01-01");
        assert_eq!(date(Time::from_micros(day)), "1970-01-02");
    }

    #[test]
    fn ids_depend_on_event_template_and_ordinal() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let ids = [(a, "t", 0), (b, "t", 0), (a, "u", 0), (a, "t", 1)]
            .map(|(event, template, ordinal)| notification_id(event, template, ordinal));
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
        assert_eq!(notification_id(a, "t", 0), ids[0]);
    }
}
