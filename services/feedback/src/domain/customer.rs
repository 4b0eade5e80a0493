//! Who said something.

use uuid::Uuid;

/// A customer, as far as a source knows.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Customer {
    /// A member of the loyalty service.
    Member(Uuid),
    /// The caller's own key of a customer.
    External(String),
    /// A token that leads back to nobody.
    Anonymous(String),
    /// Nobody knows.
    #[default]
    Unknown,
}

impl Customer {
    /// Who this is to other services: the member, or an id made from the external one; nil for the anonymous,
    /// whom nobody may recognise.
    pub fn id(&self) -> Uuid {
        match self {
            Customer::Member(id) => *id,
            Customer::External(key) => named("external", key),
            Customer::Anonymous(_) | Customer::Unknown => Uuid::nil(),
        }
    }

    /// What this service finds their records by: as [`Customer::id`], but a token has one too.
    pub fn subject(&self) -> Uuid {
        match self {
            Customer::Anonymous(token) => named("anonymous", token),
            Customer::Member(_) | Customer::External(_) | Customer::Unknown => self.id(),
        }
    }
}

fn named(kind: &str, key: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("rapport customer {kind}/{key}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_anonymous_are_found_here_but_known_to_nobody_else() {
        let token = Customer::Anonymous("7".into());
        assert_eq!(token.id(), Uuid::nil());
        assert_ne!(token.subject(), Uuid::nil());
        assert_ne!(token.subject(), Customer::External("7".into()).subject());
        assert_eq!(Customer::Unknown.subject(), Uuid::nil());
        let member = Uuid::from_u128(7);
        assert_eq!((Customer::Member(member).id(), Customer::Member(member).subject()), (member, member));
    }
}
