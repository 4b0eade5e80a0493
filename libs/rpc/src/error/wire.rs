//! Refusals as `google.rpc.Status`: stored to be answered again word for word, and one by one in batch
//! results.

use std::borrow::Cow;

use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{Details, Problem};

impl Problem {
    /// The refusal as an encoded `google.rpc.Status`.
    pub fn to_wire(&self) -> Vec<u8> {
        to_proto(&self.to_status()).encode_to_vec()
    }

    /// What [`Problem::to_wire`] wrote. An error means that the bytes are not such a status.
    pub fn from_wire(bytes: &[u8]) -> Result<Problem, prost::DecodeError> {
        let status = tonic_types::Status::decode(bytes)?;
        let details = status.encode_to_vec().into();
        Ok(Problem::from_status(&Status::with_details(Code::from(status.code), status.message, details)))
    }

    /// The refusal that a status carries. A status without `ErrorInfo` gives its code's name as reason.
    pub fn from_status(status: &Status) -> Problem {
        let details = status.get_error_details();
        let (reason, domain, metadata) = match details.error_info() {
            Some(info) => (info.reason.clone().into(), info.domain.clone().into(), info.metadata.clone()),
            None => (crate::methods::code_name(status.code()).into(), Cow::Borrowed(""), Default::default()),
        };
        let mut metadata: Vec<_> = metadata.into_iter().collect();
        metadata.sort();
        let fields = details.bad_request().map(|bad| {
            bad.field_violations
                .iter()
                .map(|field| (field.field.clone(), field.description.clone()))
                .collect()
        });
        let precondition = details.precondition_failure().and_then(|failure| failure.violations.first());
        let quota = details.quota_failure().and_then(|failure| failure.violations.first());
        let subject = precondition.map(|it| &it.subject).or(quota.map(|it| &it.subject));
        let details = Details {
            fields: fields.unwrap_or_default(),
            subject: subject.filter(|subject| **subject != *domain).cloned(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        };
        let (code, message) = (status.code(), status.message().to_owned());
        Problem { code, reason, domain, message, metadata, details: Box::new(details) }
    }
}

/// The status that [`to_proto`] wrote, as the single call would have given it.
pub fn from_proto(error: tonic_types::Status) -> Status {
    let details = error.encode_to_vec().into();
    Status::with_details(error.code.into(), error.message, details)
}

/// A status as a `google.rpc.Status` message with all its details, for the entries of a batch result.
pub fn to_proto(status: &Status) -> tonic_types::Status {
    let mut proto = tonic_types::Status::decode(status.details()).unwrap_or_default();
    proto.code = status.code() as i32;
    proto.message = status.message().to_owned();
    proto
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn refusals() -> Vec<Problem> {
        let domain = "rapport.test";
        vec![
            Problem::precondition(domain, "INSUFFICIENT_POINTS", "40 points are missing")
                .with("missing", 40)
                .with("available", 60)
                .subject("member/7"),
            Problem::invalid(domain, "INVALID_FIELDS", "two fields are wrong")
                .field("amount", "must be positive")
                .field("lines[3].sku", "must not be empty"),
            Problem::unavailable(domain, "OVERLOADED", "try again").retry_after(Duration::from_millis(120)),
            Problem::exhausted(domain, "RATE_LIMITED", "too many calls").subject("tenant/default"),
            Problem::not_found(domain, "MEMBER_NOT_FOUND", "no such member"),
        ]
    }

    #[test]
    fn a_stored_refusal_is_answered_again_word_for_word() {
        for mut problem in refusals() {
            let replayed = Problem::from_wire(&problem.to_wire()).unwrap();
            problem.metadata.sort();
            assert_eq!(replayed, problem);
            let (first, second) = (problem.to_status(), replayed.to_status());
            let details = |status: &Status| format!("{:?}", status.get_error_details());
            assert_eq!((first.code(), first.message()), (second.code(), second.message()));
            assert_eq!(details(&first).len(), details(&second).len());
        }
    }

    #[test]
    fn the_details_follow_the_code() {
        let all = refusals();
        let details: Vec<_> = all.iter().map(|problem| problem.to_status().get_error_details()).collect();
        assert!(details.iter().all(|details| details.error_info().is_some()));
        let precondition = &details[0].precondition_failure().unwrap().violations[0];
        assert_eq!((&*precondition.r#type, &*precondition.subject), ("INSUFFICIENT_POINTS", "member/7"));
        assert_eq!(details[1].bad_request().unwrap().field_violations[1].field, "lines[3].sku");
        assert_eq!(details[2].retry_info().unwrap().retry_delay, Some(Duration::from_millis(120)));
        assert_eq!(details[3].quota_failure().unwrap().violations[0].subject, "tenant/default");
        assert_eq!(to_proto(&all[0].to_status()).details.len(), 2);
    }

    #[test]
    fn garbage_is_not_a_refusal() {
        assert!(Problem::from_wire(&[0xff, 0xff, 0x01]).is_err());
    }
}
