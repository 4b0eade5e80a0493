//! Who calls, and for which tenant: decided from credentials, never from a message.

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use tonic::Code;

use crate::DOMAIN;
use crate::error::Problem;

/// The caller, as a request extension of every call that reaches a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Whose rows the call may touch.
    pub tenant: Arc<str>,
    /// Who it is within the tenant; for the audit log.
    pub subject: Arc<str>,
}

impl Principal {
    /// Another service of this installation: of no tenant, so that it reaches nobody's rows by itself.
    fn service() -> Principal {
        Principal { tenant: Arc::from(""), subject: Arc::from("service") }
    }
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
    /// A credential that services of one installation share, as `authorization: Bearer <token>`.
    Service(ServiceToken),
}

/// A secret that services share. Only its digest is held, so that nothing prints it and a comparison tells
/// nothing about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceToken([u8; 32]);

impl ServiceToken {
    /// The token with this text.
    pub fn new(text: &str) -> ServiceToken {
        ServiceToken(Sha256::digest(text.as_bytes()).into())
    }
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
            Authenticator::Service(_) => false,
        }
    }

    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, Problem> {
        match self {
            Authenticator::Local(principal) => Ok(principal.clone()),
            Authenticator::Service(token) => {
                let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
                let given = given.and_then(|text| text.strip_prefix("Bearer "));
                match given.map(ServiceToken::new) {
                    Some(given) if given == *token => Ok(Principal::service()),
                    _ => Err(Problem::new(
                        Code::Unauthenticated,
                        DOMAIN,
                        "UNAUTHENTICATED",
                        "the call carries no service credential, or another one",
                    )),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_gets_in_and_nothing_prints_it() {
        let authenticator = Authenticator::Service(ServiceToken::new("hunter2"));
        let asked = |value: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.extend(value.map(|value| (AUTHORIZATION, value.parse().unwrap())));
            authenticator.authenticate(&headers).is_ok()
        };
        assert!(asked(Some("Bearer hunter2")));
        for wrong in [None, Some("Bearer "), Some("Bearer hunter"), Some("hunter2"), Some("Basic hunter2")] {
            assert!(!asked(wrong), "{wrong:?}");
        }
        assert!(!authenticator.is_open() && !format!("{authenticator:?}").contains("hunter2"));
    }
}
