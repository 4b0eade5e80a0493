//! What tonic answers by itself, in our form: every refusal has a reason, and a request that is too large is
//! said to be that, with the code that other gRPC implementations use for it.

use http::Response;
use tonic::body::Body;
use tonic::{Code, Status};

use super::observe::GRPC_STATUS;
use crate::methods::{Method, code_name};
use crate::{DOMAIN, MESSAGE_BYTES_MAX, Problem};

const DETAILS: &str = "grpc-status-details-bin";

/// Gives a refusal without details its `ErrorInfo`.
pub(crate) fn complete(response: &mut Response<Body>, method: &Method) {
    let headers = response.headers();
    let refused = headers.get(GRPC_STATUS).is_some_and(|code| code != "0") && !headers.contains_key(DETAILS);
    if !refused {
        return;
    }
    if let Some(status) = Status::from_header_map(headers) {
        let headers = response.headers_mut();
        for name in [GRPC_STATUS, "grpc-message"] {
            headers.remove(name);
        }
        // Only a status with impossible metadata cannot be written, and this one has none.
        let _ = explained(&status, method).to_status().add_header(headers);
    }
}

fn explained(status: &Status, method: &Method) -> Problem {
    let message = status.message();
    if status.code() == Code::OutOfRange && message.contains("message length too large") {
        return Problem::exhausted(
            DOMAIN,
            "MESSAGE_TOO_LARGE",
            "the message is larger than this server takes",
        )
        .with("bytes_max", MESSAGE_BYTES_MAX)
        .subject("message size");
    }
    if status.code() == Code::Unimplemented && message.is_empty() {
        let message = "this server offers no such method";
        let known = Problem::new(Code::Unimplemented, DOMAIN, "METHOD_NOT_OFFERED", message);
        return if method.known { known.with("method", &method.name) } else { known };
    }
    Problem::new(status.code(), DOMAIN, code_name(status.code()), message)
}
