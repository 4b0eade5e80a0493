//! Refusals as gRPC errors: one code and one reason each, listed in `docs/errors.md`.

use std::time::Duration;

use rpc::Problem;
use tonic::Status;
use uuid::Uuid;

use crate::store::gate::Rebuilding;
use crate::store::scores::GROUPS_MAX;

pub(super) const DOMAIN: &str = "rapport.scoring";

/// A rebuild takes seconds at least.
const REBUILDING_RETRY_AFTER: Duration = Duration::from_secs(5);

pub(super) fn customer_not_found(customer_id: Uuid) -> Problem {
    let message = "nothing is known of such a customer";
    Problem::not_found(DOMAIN, "CUSTOMER_NOT_FOUND", message).with("customer_id", customer_id)
}

pub(super) fn groups_too_many(dimension: &str) -> Problem {
    let message =
        format!("{dimension} has more than {GROUPS_MAX} values in the window; shorten it or name a value");
    Problem::precondition(DOMAIN, "GROUPS_TOO_MANY", message)
        .with("dimension", dimension)
        .with("groups_max", GROUPS_MAX)
}

pub(super) fn rebuilding(_: Rebuilding) -> Problem {
    let message = "scores and profiles are being made again from what was observed; try again later";
    Problem::unavailable(DOMAIN, "REBUILDING", message).retry_after(REBUILDING_RETRY_AFTER)
}

/// A database error as the caller may see it.
pub(super) fn told(error: &db::Error) -> Status {
    requests::told(DOMAIN, error)
}
