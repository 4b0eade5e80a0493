//! Who calls, and until when.

use std::time::Duration;

use db::Tenant;
use prost::Message;
use rpc::{Deadline, List, PageTokens, Problem};
use tokio::time::Instant;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::Call;

/// Callers without a deadline, outside of the server layers, wait this long.
const DEADLINE_DEFAULT: Duration = Duration::from_secs(30);

/// The caller of a request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose rows it may see, from its credential.
    pub tenant: Tenant,
    /// Who it is, from its credential.
    pub subject: String,
    /// When it stops to wait, in machine time.
    pub deadline: Instant,
    extensions: tonic::Extensions,
}

impl Caller {
    /// Takes a request apart.
    ///
    /// # Errors
    /// INTERNAL if no layer has told who calls.
    pub fn open<T>(request: Request<T>) -> Result<(Caller, T), Status> {
        let principal = rpc::principal(&request)?;
        let (_, extensions, message) = request.into_parts();
        let deadline = extensions.get::<Deadline>().map(|d| d.0);
        let caller = Caller {
            tenant: Tenant::new(&principal.tenant),
            subject: principal.subject.to_string(),
            deadline: deadline.unwrap_or_else(|| Instant::now() + DEADLINE_DEFAULT),
            extensions,
        };
        Ok((caller, message))
    }

    /// Runs a mutation to its end even if the caller goes away.
    ///
    /// # Errors
    /// INTERNAL if it came to a sudden end.
    pub async fn run<T: Send + 'static>(
        &self,
        mutation: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Status> {
        rpc::run_to_completion(&self.extensions, mutation).await
    }

    /// The record of a call of this caller. `domain` is the service's, `method` the RPC's short name.
    pub fn call<M: Message>(
        &self,
        domain: &'static str,
        method: &'static str,
        request_id: Uuid,
        message: &M,
    ) -> Call {
        Call { domain, request_id, method, body: message.encode_to_vec(), subject: self.subject.clone() }
    }

    /// A list that this caller asks for. `filter` is everything that selects or orders the rows.
    ///
    /// # Errors
    /// INVALID_ARGUMENT (PAGE_SIZE_INVALID).
    pub fn list<'a>(
        &'a self,
        tokens: &'a PageTokens,
        method: &'a str,
        filter: &'a str,
        page_size: i32,
    ) -> Result<List<'a>, Problem> {
        let size = rpc::page_size(page_size)?;
        Ok(List { tokens, tenant: self.tenant.id(), method, filter, size })
    }
}
