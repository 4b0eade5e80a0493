//! Who may have something: a condition that knows the member, its tier and the moment, and nothing else.

use std::sync::Arc;

use ambient::Time;
use cel::Value;
use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::facts::{MemberFacts, tier_value};

/// A condition on members. Stored as its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Eligibility(Arc<Condition>);

impl Eligibility {
    /// Compiles a condition.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn try_new(source: &str) -> Result<Eligibility, String> {
        let condition = Condition::of_member(source).map_err(|fault| fault.to_string())?;
        Ok(Eligibility(Arc::new(condition)))
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        self.0.source()
    }

    /// True if it depends on who the member is.
    pub fn names_member(&self) -> bool {
        self.0.names_member
    }

    /// True if it holds for a member in a tier, which has an id and a position; false if it asks for what is
    /// not known.
    pub fn holds(&self, member: &MemberFacts, (tier_id, rank): (&str, u32), now: Time) -> bool {
        let known = vec![
            ("member", member.value()),
            ("tier", tier_value(tier_id, rank)),
            ("now", Value::Timestamp(now.utc().fixed_offset())),
        ];
        self.0.holds(&Condition::context(known)).unwrap_or(false)
    }
}

impl TryFrom<String> for Eligibility {
    type Error = String;

    fn try_from(source: String) -> Result<Eligibility, String> {
        Eligibility::try_new(&source)
    }
}

impl From<Eligibility> for String {
    fn from(eligibility: Eligibility) -> String {
        eligibility.source().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_tiers_are_known_activities_are_not() {
        let member = MemberFacts {
            attributes: [("city".to_owned(), "Ghent".to_owned())].into(),
            ..MemberFacts::default()
        };
        let holds = |source: &str| {
            let eligibility = Eligibility::try_new(source).unwrap();
            eligibility.holds(&member, ("gold", 3), Time::from_micros(0))
        };
        assert!(holds("member.attributes['city'] == 'Ghent' && tier.id == 'gold' && tier.rank >= 3"));
        assert!(holds("now < timestamp('1970-01-02T00:00:00Z')"));
        assert!(!holds("member.attributes['street'] == 'Ghent'"), "what is not known does not hold");
        for source in
            ["activity.amount > 1.0", "item.sku == 'a'", "member.name == 'x'", "1 + 1", "tier.rank >"]
        {
            assert!(Eligibility::try_new(source).is_err(), "{source}");
        }
        let told = Eligibility::try_new("tier.rank >= 3 && activity.amount > 1.0").unwrap_err();
        assert_eq!(told, "1:19: `activity` is not known here; there are member, tier and now");
    }

    #[test]
    fn it_is_stored_as_its_text() {
        let text = serde_json::to_string(&Eligibility::try_new("tier.rank > 1").unwrap()).unwrap();
        assert_eq!(text, "\"tier.rank > 1\"");
        let back: Eligibility = serde_json::from_str(&text).unwrap();
        assert_eq!(back.source(), "tier.rank > 1");
    }
}
