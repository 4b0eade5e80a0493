//! Refusals as gRPC errors: one code and one reason each, listed in `docs/errors.md`.

use rpc::Problem;
use uuid::Uuid;

use crate::domain::{Flaw, Part};

pub(super) const DOMAIN: &str = "rapport.notification";

pub(super) fn template_not_found(template_id: &str, version: i64) -> Problem {
    let message = match version {
        0 => format!("there is no template {template_id}"),
        _ => format!("there is no version {version} of a template {template_id}"),
    };
    Problem::not_found(DOMAIN, "TEMPLATE_NOT_FOUND", message)
        .with("template_id", template_id)
        .with("version", version)
}

/// Flaws of a template, each under the field that `path` names for its part.
pub(super) fn template_invalid(
    template_id: &str,
    flaws: &[(Part, Flaw)],
    path: fn(Part) -> &'static str,
) -> Problem {
    let first = flaws.first().map_or_else(String::new, |(part, flaw)| format!("its {} {flaw}", part.name()));
    let message = format!("template {template_id} cannot be used: {first}");
    let problem = Problem::invalid(DOMAIN, "TEMPLATE_INVALID", message).with("template_id", template_id);
    flaws.iter().fold(problem, |problem, (part, flaw)| problem.field(path(*part), flaw.to_string()))
}

pub(super) fn notification_not_found(notification_id: Uuid) -> Problem {
    Problem::not_found(DOMAIN, "NOTIFICATION_NOT_FOUND", "the recipient has no such notification")
        .with("notification_id", notification_id)
}
