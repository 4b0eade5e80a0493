//! What an event says, in the domain's terms.

use ambient::Time;
use uuid::Uuid;

use crate::domain::What;

/// The facts of one event, at least one.
pub(super) struct Facts {
    /// What they are about: the same however, and however often, the service hears of it. Facts that are
    /// there under this id are not taken again.
    pub(super) id: Uuid,
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
    pub(super) fn of(id: Uuid, customer_id: Uuid, time: Time, what: What) -> Facts {
        Facts { id, owner_id: customer_id, anonymous: false, time, what: vec![what] }
    }

    /// Facts about a customer, or, if that id is nil, about nobody known; `instead` owns these.
    pub(super) fn of_any(
        id: Uuid,
        (customer_id, instead): (Uuid, Uuid),
        time: Time,
        what: Vec<What>,
    ) -> Facts {
        let anonymous = customer_id.is_nil();
        Facts { id, owner_id: if anonymous { instead } else { customer_id }, anonymous, time, what }
    }
}
