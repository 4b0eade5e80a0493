//! What an event says, in the domain's terms.

use ambient::Time;
use uuid::Uuid;

use crate::domain::What;

/// The facts of one event, at least one.
pub(super) struct Facts {
    /// Whose they are: the customer, or what stands for one that nobody knows.
    pub(super) owner_id: Uuid,
    /// True if nobody knows the customer.
    pub(super) anonymous: bool,
    /// When it was so.
    pub(super) time: Time,
    /// What, in order.
    pub(super) what: Vec<What>,
}

impl Facts {
    /// A fact about a known customer.
    pub(super) fn of(customer_id: Uuid, time: Time, what: What) -> Facts {
        Facts { owner_id: customer_id, anonymous: false, time, what: vec![what] }
    }

    /// Facts about a customer, or, if the id is nil, about nobody known; `instead` owns these.
    pub(super) fn of_any(customer_id: Uuid, instead: Uuid, time: Time, what: Vec<What>) -> Facts {
        let anonymous = customer_id.is_nil();
        Facts { owner_id: if anonymous { instead } else { customer_id }, anonymous, time, what }
    }
}
