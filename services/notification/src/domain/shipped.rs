//! The templates that come with the service: version 1 of each, in English.

use ambient::Time;

use super::template::{Datum, Template, Variable};

/// A template that an event triggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shipped {
    /// A complaint became a case.
    ComplaintReceived,
    /// A case ended.
    ComplaintResolved,
    /// Points will expire soon.
    PointsExpiring,
    /// Points were spent on a reward.
    RewardRedeemed,
    /// The tier ends soon.
    TierAtRisk,
    /// A higher tier was reached.
    TierUp,
}

/// A sample before it is owned.
#[derive(Clone, Copy)]
enum Sample {
    Text(&'static str),
    Number(i64),
}

impl Shipped {
    /// All of them, by id.
    pub const ALL: [Shipped; 6] = [
        Shipped::ComplaintReceived,
        Shipped::ComplaintResolved,
        Shipped::PointsExpiring,
        Shipped::RewardRedeemed,
        Shipped::TierAtRisk,
        Shipped::TierUp,
    ];

    /// Its id.
    pub fn id(self) -> &'static str {
        match self {
            Shipped::ComplaintReceived => "complaint_received",
            Shipped::ComplaintResolved => "complaint_resolved",
            Shipped::PointsExpiring => "points_expiring",
            Shipped::RewardRedeemed => "reward_redeemed",
            Shipped::TierAtRisk => "tier_at_risk",
            Shipped::TierUp => "tier_up",
        }
    }

    /// The one with this id.
    pub fn from_id(id: &str) -> Option<Shipped> {
        Shipped::ALL.into_iter().find(|shipped| shipped.id() == id)
    }

    /// The variables of all its versions, a tenant's own included: the values its event brings.
    pub fn variables(self) -> Vec<Variable> {
        use Sample::{Number, Text};
        let samples: &[(&str, Sample)] = match self {
            Shipped::ComplaintReceived => &[
                ("case_id", Text("7b1f0c5e-8d2a-4f60-9c3b-1e5d7a2f4b68")),
                ("respond_due_date", Text("2026-03-02")),
            ],
            Shipped::ComplaintResolved => &[
                ("case_id", Text("7b1f0c5e-8d2a-4f60-9c3b-1e5d7a2f4b68")),
                ("open_date", Text("2026-03-01")),
            ],
            Shipped::PointsExpiring => &[
                ("points", Number(120)),
                ("available", Number(1_500)),
                ("first_expire_date", Text("2026-03-01")),
                ("last_expire_date", Text("2026-03-31")),
                ("currency_code", Text("points")),
            ],
            Shipped::RewardRedeemed => &[
                ("reward_id", Text("coffee-mug")),
                ("quantity", Number(2)),
                ("points", Number(500)),
                ("available", Number(1_500)),
                ("currency_code", Text("points")),
            ],
            Shipped::TierAtRisk => {
                &[("tier_id", Text("gold")), ("end_date", Text("2027-01-01")), ("to_stay", Text("250 EUR"))]
            }
            Shipped::TierUp => &[("from_tier_id", Text("silver")), ("to_tier_id", Text("gold"))],
        };
        samples.iter().map(|(name, sample)| variable(name, *sample)).collect()
    }

    /// Its version 1.
    pub fn template(self) -> Template {
        macro_rules! sources {
            ($id:literal) => {
                (
                    include_str!(concat!("../../templates/", $id, ".subject.jinja")),
                    include_str!(concat!("../../templates/", $id, ".body.jinja")),
                )
            };
        }
        let (subject, body) = match self {
            Shipped::ComplaintReceived => sources!("complaint_received"),
            Shipped::ComplaintResolved => sources!("complaint_resolved"),
            Shipped::PointsExpiring => sources!("points_expiring"),
            Shipped::RewardRedeemed => sources!("reward_redeemed"),
            Shipped::TierAtRisk => sources!("tier_at_risk"),
            Shipped::TierUp => sources!("tier_up"),
        };
        Template {
            id: self.id().to_owned(),
            version: 1,
            subject: subject.to_owned(),
            body: body.to_owned(),
            variables: self.variables(),
            create_time: Time::NEVER,
        }
    }
}

fn variable(name: &str, sample: Sample) -> Variable {
    let sample = match sample {
        Sample::Text(text) => Datum::Text(text.to_owned()),
        Sample::Number(number) => Datum::Number(number),
    };
    Variable { name: name.to_owned(), sample }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_template_passes_its_own_check() {
        for shipped in Shipped::ALL {
            assert_eq!(shipped.template().check(), [], "{}", shipped.id());
            assert_eq!(Shipped::from_id(shipped.id()), Some(shipped));
        }
        assert!(Shipped::ALL.is_sorted_by_key(|shipped| shipped.id()));
    }

    #[test]
    fn they_read_well() {
        let text = |shipped: Shipped, changed: &[(&str, Datum)]| {
            let mut values = shipped.template().samples();
            values.extend(changed.iter().map(|(name, datum)| ((*name).to_owned(), datum.clone())));
            let rendered = shipped.template().render(&values).unwrap();
            format!("{} | {}", rendered.subject, rendered.body)
        };
        assert_eq!(
            text(Shipped::ComplaintReceived, &[]),
            "We have heard you | We are sorry that we let you down, and thank you for telling us.\n\
             Somebody will answer you by 2026-03-02."
        );
        assert_eq!(
            text(Shipped::ComplaintResolved, &[]),
            "Your complaint is settled | We have settled what you told us on 2026-03-01.\n\
             If it is not settled for you, please tell us."
        );
        assert_eq!(
            text(Shipped::RewardRedeemed, &[("available", Datum::Number(1))]),
            "Your reward is on its way | You spent 500 points on 2 x coffee-mug.\nYou have 1 point left."
        );
        let (one, coins) = (Datum::Number(1), Datum::Text("coins".into()));
        assert_eq!(
            text(Shipped::RewardRedeemed, &[("points", one), ("currency_code", coins.clone())]),
            "Your reward is on its way | You spent 1 coins on 2 x coffee-mug.\nYou have 1500 coins left."
        );
        assert_eq!(
            text(Shipped::PointsExpiring, &[("currency_code", coins)]),
            "120 coins will expire soon | 120 of your 1500 coins will expire between 2026-03-01 and \
             2026-03-31.\nSpend them before they are gone."
        );
        assert_eq!(
            text(Shipped::TierUp, &[]),
            "Welcome to gold | You have moved up from silver to gold.\nThank you for being with us."
        );
        assert_eq!(
            text(Shipped::TierUp, &[("from_tier_id", Datum::Text(String::new()))]),
            "Welcome to gold | You have moved up to gold.\nThank you for being with us."
        );
        assert_eq!(
            text(Shipped::TierAtRisk, &[]),
            "Stay with gold | Your tier gold ends on 2027-01-01.\nWith 250 EUR more you keep it."
        );
        assert_eq!(
            text(Shipped::TierAtRisk, &[("to_stay", Datum::Text(String::new()))]),
            "Stay with gold | Your tier gold ends on 2027-01-01.\nCome back before and you keep it."
        );
        assert_eq!(
            text(Shipped::PointsExpiring, &[("last_expire_date", Datum::Text("2026-03-01".into()))]),
            "120 points will expire soon | 120 of your 1500 points will expire on 2026-03-01.\n\
             Spend them before they are gone."
        );
        assert_eq!(
            text(Shipped::PointsExpiring, &[("points", Datum::Number(1))]),
            "1 point will expire soon | 1 of your 1500 points will expire between 2026-03-01 and \
             2026-03-31.\nSpend them before they are gone."
        );
    }
}
