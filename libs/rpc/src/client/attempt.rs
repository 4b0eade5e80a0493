//! One logical call as one or more attempts.

use std::sync::LazyLock;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use opentelemetry::metrics::Counter;
use telemetry::names::metric;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::Client;
use super::body::{ClientBody, Received, Unread};
use crate::grpc_timeout;

static RETRIES: LazyLock<Counter<u64>> = LazyLock::new(|| {
    telemetry::meter()
        .u64_counter(metric::RPC_CLIENT_RETRIES)
        .with_description("Attempts beyond the first")
        .build()
});

/// A call under way.
pub(super) struct Call<'a> {
    pub(super) client: &'a Client,
    pub(super) until: Instant,
}

/// How an attempt ended without a usable answer.
enum Failure {
    /// The server said UNAVAILABLE: it did nothing, and may know when to come back.
    Refused { answer: Response<Received>, status: Status },
    /// The connection broke, or was never made: nobody knows what the server did.
    Broken(Status),
    /// Another attempt would end the same way.
    Final(Status),
}

impl Call<'_> {
    /// Sends the call as often as it takes, within the deadline and the budget.
    pub(super) async fn unary(&self, request: Request<Body>) -> Result<Response<ClientBody>, Status> {
        let (head, body) = request.into_parts();
        let message = body.collect().await?.to_bytes();
        let mut attempt = 1;
        loop {
            let mut request = Request::new(Body::new(Full::new(message.clone())));
            *request.method_mut() = head.method.clone();
            *request.uri_mut() = head.uri.clone();
            *request.version_mut() = head.version;
            *request.headers_mut() = head.headers.clone();
            let failure = match self.attempt(request).await {
                Ok(answer) => return Ok(answer.map(ClientBody::received)),
                Err(failure) => failure,
            };
            let wait = self.backoff(attempt, &failure);
            let again = attempt < self.client.shared.settings.attempts_max
                && Instant::now() + wait < self.until
                && !matches!(failure, Failure::Final(_));
            if !self.client.shared.budget.failed() || !again {
                return match failure {
                    Failure::Refused { answer, .. } => Ok(answer.map(ClientBody::received)),
                    Failure::Broken(status) | Failure::Final(status) => Err(status),
                };
            }
            RETRIES.add(1, &[]);
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// Sends the call once; what streams cannot be sent twice.
    pub(super) async fn streaming(&self, mut request: Request<Body>) -> Result<Response<ClientBody>, Status> {
        self.stamp(&mut request);
        let answer = self.client.send(request).await.map_err(|error| self.client.status_of(&error))?;
        Ok(answer.map(ClientBody::streaming))
    }

    async fn attempt(&self, mut request: Request<Body>) -> Result<Response<Received>, Failure> {
        self.stamp(&mut request);
        let sent = self.client.send(request).await;
        let (head, body) = sent.map_err(|error| Failure::Broken(self.client.status_of(&error)))?.into_parts();
        let received = Received::read(body).await.map_err(|error| match error {
            Unread::Broken(error) => Failure::Broken(self.client.status_of(&error)),
            Unread::TooLarge(status) => Failure::Final(status),
        })?;
        let status = Status::from_header_map(&head.headers);
        let answer = Response::from_parts(head, received);
        match status {
            Some(status) if status.code() == Code::Unavailable => Err(Failure::Refused { answer, status }),
            _ => {
                self.client.shared.budget.succeeded();
                Ok(answer)
            }
        }
    }

    fn stamp(&self, request: &mut Request<Body>) {
        let left = self.until.saturating_duration_since(Instant::now());
        request.headers_mut().insert(grpc_timeout::HEADER, grpc_timeout::format(left));
    }

    /// Exponential with jitter, and not before the server said.
    fn backoff(&self, attempt: u32, failure: &Failure) -> Duration {
        let settings = &self.client.shared.settings;
        let doubled = settings.backoff.saturating_mul(1 << (attempt - 1).min(16)).min(settings.backoff_max);
        let jittered = doubled.mul_f64(0.5 + rand::random::<f64>() / 2.0);
        match failure {
            Failure::Refused { status, .. } => {
                let asked = status.get_details_retry_info().and_then(|info| info.retry_delay);
                asked.map_or(jittered, |asked| jittered.max(asked))
            }
            Failure::Broken(_) | Failure::Final(_) => jittered,
        }
    }
}
