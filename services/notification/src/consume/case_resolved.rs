//! CaseResolved of feedback: a case ended.

use events::payload::{message, optional_uuid, time, uuid};
use proto::rapport::feedback::v1 as pb;

use crate::domain::Occurrence;

pub(super) const KIND: &str = "rapport.feedback.v1.CaseResolved";

pub(super) fn decode(payload: &[u8]) -> Result<Occurrence, String> {
    let event: pb::CaseResolved = message(payload)?;
    Ok(Occurrence::CaseResolved {
        customer_id: optional_uuid(&event.customer_id, "customer_id")?,
        case_id: uuid(&event.case_id, "case_id")?,
        open_time: time(event.open_time, "open_time")?,
    })
}
