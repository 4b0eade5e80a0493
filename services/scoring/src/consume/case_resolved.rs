//! CaseResolved of feedback: a case ended.

use proto::rapport::feedback::v1 as pb;
use uuid::Uuid;

use super::fact::Facts;
use crate::domain::What;
use events::payload::{message, optional_uuid, time, uuid};

pub(super) const KIND: &str = "rapport.feedback.v1.CaseResolved";

pub(super) fn decode(payload: &[u8]) -> Result<Facts, String> {
    let event: pb::CaseResolved = message(payload)?;
    let case_id = uuid(&event.case_id, "case_id")?;
    let customer_id = optional_uuid(&event.customer_id, "customer_id")?;
    let resolve_time = time(event.resolve_time, "resolve_time")?;
    let id = Uuid::new_v5(&case_id, b"resolved");
    Ok(Facts::of_any(id, (customer_id, case_id), resolve_time, vec![What::CaseResolved(case_id)]))
}
