//! Reads payloads: fields of events, each refused by its name alone: an event's values are nobody's log line.

use ambient::Time;
use prost::Message;
use uuid::Uuid;

/// A whole payload.
///
/// # Errors
/// That it is not such a message.
pub fn message<M: Message + Default>(payload: &[u8]) -> Result<M, String> {
    M::decode(payload).map_err(|_| "the payload is not the message that its kind names".to_owned())
}

/// An id.
///
/// # Errors
/// That it is none.
pub fn uuid(text: &str, field: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| format!("{field} is not a UUID"))
}

/// An id, or nil for the empty text.
///
/// # Errors
/// That it is neither.
pub fn optional_uuid(given: &str, field: &str) -> Result<Uuid, String> {
    if given.is_empty() { Ok(Uuid::nil()) } else { uuid(given, field) }
}

/// A text that must be there.
///
/// # Errors
/// That it is empty.
pub fn text(text: String, field: &str) -> Result<String, String> {
    if text.is_empty() { Err(format!("{field} is empty")) } else { Ok(text) }
}

/// A number that must be more than zero.
///
/// # Errors
/// That it is not.
pub fn positive(number: i64, field: &str) -> Result<i64, String> {
    if number > 0 { Ok(number) } else { Err(format!("{field} is not more than zero")) }
}

/// A moment that must be there.
///
/// # Errors
/// That it is missing, or no moment.
pub fn time(given: Option<prost_types::Timestamp>, field: &str) -> Result<Time, String> {
    let given = given.ok_or_else(|| format!("{field} is missing"))?;
    Time::from_parts(given.seconds, given.nanos).ok_or_else(|| format!("{field} is no moment"))
}
