//! ActivityRecorded of loyalty: a member bought something, came by, or did anything else.

use proto::google::r#type::Money;
use proto::rapport::loyalty::v1 as pb;

use super::fact::Facts;
use crate::domain::What;
use events::payload::{message, time, uuid};

pub(super) const KIND: &str = "rapport.loyalty.v1.ActivityRecorded";

const MICROS_PER_UNIT: i64 = 1_000_000;
const NANOS_PER_MICRO: i32 = 1_000;

pub(super) fn decode(payload: &[u8]) -> Result<Facts, String> {
    let event: pb::ActivityRecorded = message(payload)?;
    let what = match pb::ActivityType::try_from(event.r#type) {
        Ok(pb::ActivityType::Purchase) => purchase(event.amount)?,
        Ok(pb::ActivityType::Visit | pb::ActivityType::CheckIn) => What::Visit,
        // A type that is newer than this version is an activity all the same.
        Ok(
            pb::ActivityType::Unspecified
            | pb::ActivityType::Review
            | pb::ActivityType::SurveyCompleted
            | pb::ActivityType::Custom
            | pb::ActivityType::Referral
            | pb::ActivityType::Birthday,
        )
        | Err(_) => What::Activity,
    };
    let member_id = uuid(&event.member_id, "member_id")?;
    let activity_id = uuid(&event.activity_id, "activity_id")?;
    Ok(Facts::of(activity_id, member_id, time(event.occurred_time, "occurred_time")?, what))
}

/// A purchase. Less than a millionth of the unit is cut off.
fn purchase(amount: Option<Money>) -> Result<What, String> {
    let amount = amount.ok_or("amount is missing")?;
    let currency = amount.currency_code;
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err("amount has no currency".to_owned());
    }
    if amount.units < 0 || !(0..1_000_000_000).contains(&amount.nanos) {
        return Err("amount is negative or not whole".to_owned());
    }
    let micros = i64::from(amount.nanos / NANOS_PER_MICRO);
    let amount = amount.units.checked_mul(MICROS_PER_UNIT).and_then(|units| units.checked_add(micros));
    let amount_micros = amount.ok_or("amount is too large")?;
    Ok(What::Purchase { amount_micros, currency })
}
