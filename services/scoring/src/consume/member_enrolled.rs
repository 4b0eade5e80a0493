//! MemberEnrolled of loyalty: a member joined a program.

use proto::rapport::loyalty::v1 as pb;

use super::fact::Facts;
use crate::domain::What;
use events::payload::{message, text, time, uuid};

pub(super) const KIND: &str = "rapport.loyalty.v1.MemberEnrolled";

pub(super) fn decode(payload: &[u8]) -> Result<Facts, String> {
    let event: pb::MemberEnrolled = message(payload)?;
    let member_id = uuid(&event.member_id, "member_id")?;
    let enroll_time = time(event.enroll_time, "enroll_time")?;
    let program_id = text(event.program_id, "program_id")?;
    Ok(Facts::of(member_id, member_id, enroll_time, What::Enrolled(program_id)))
}
