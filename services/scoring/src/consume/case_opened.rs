//! CaseOpened of feedback: a bad answer opened a case.

use proto::rapport::feedback::v1 as pb;
use uuid::Uuid;

use super::fact::Facts;
use crate::domain::What;
use events::payload::{message, optional_uuid, time, uuid};

pub(super) const KIND: &str = "rapport.feedback.v1.CaseOpened";

pub(super) fn decode(payload: &[u8]) -> Result<Facts, String> {
    let event: pb::CaseOpened = message(payload)?;
    let case_id = uuid(&event.case_id, "case_id")?;
    let customer_id = optional_uuid(&event.customer_id, "customer_id")?;
    let open_time = time(event.open_time, "open_time")?;
    let id = Uuid::new_v5(&case_id, b"opened");
    Ok(Facts::of_any(id, (customer_id, case_id), open_time, vec![What::CaseOpened(case_id)]))
}
