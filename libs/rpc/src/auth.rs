//! Who calls, and for which tenant: decided from credentials, never from a message.

use std::sync::Arc;

use http::HeaderMap;

use crate::error::Problem;

/// The caller, as a request extension of every call that reaches a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Whose rows the call may touch.
    pub tenant: Arc<str>,
    /// Who it is within the tenant; for the audit log.
    pub subject: Arc<str>,
}

impl Default for Principal {
    /// The one principal of a server that listens to its own machine only.
    fn default() -> Principal {
        Principal { tenant: Arc::from("default"), subject: Arc::from("local") }
    }
}

/// The ways to authenticate.
#[derive(Clone, Debug)]
pub enum Authenticator {
    /// No credentials: every caller is this principal. Only for loopback, or on explicit demand.
    Local(Principal),
}

impl Default for Authenticator {
    fn default() -> Authenticator {
        Authenticator::Local(Principal::default())
    }
}

impl Authenticator {
    /// Whether anybody who reaches the port gets in.
    pub fn is_open(&self) -> bool {
        match self {
            Authenticator::Local(_) => true,
        }
    }

    pub(crate) fn authenticate(&self, _headers: &HeaderMap) -> Result<Principal, Problem> {
        match self {
            Authenticator::Local(principal) => Ok(principal.clone()),
        }
    }
}
