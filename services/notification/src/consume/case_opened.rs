//! CaseOpened of feedback: a complaint became a case.

use events::payload::{message, optional_uuid, time, uuid};
use proto::rapport::feedback::v1 as pb;

use crate::domain::Occurrence;

pub(super) const KIND: &str = "rapport.feedback.v1.CaseOpened";

pub(super) fn decode(payload: &[u8]) -> Result<Occurrence, String> {
    let event: pb::CaseOpened = message(payload)?;
    Ok(Occurrence::CaseOpened {
        customer_id: optional_uuid(&event.customer_id, "customer_id")?,
        case_id: uuid(&event.case_id, "case_id")?,
        respond_due_time: time(event.respond_due_time, "respond_due_time")?,
    })
}
