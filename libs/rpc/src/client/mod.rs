//! Calls to another Rapport server: each with a deadline, a trace and a measurement, tried again where that
//! is safe and helps, and never more often than a failing server can bear.
//!
//! [`Client`] is a tower service for the generated clients: `PointsServiceClient::new(client.clone())`. Unary
//! calls are repeated because every mutation of the suite carries a `request_id`, under which it acts once.

mod attempt;
mod body;
mod budget;
mod observe;

use std::borrow::Cow;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use opentelemetry::context::FutureExt as _;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, ConnectError, Status, TimeoutExpired};
use tower::{Service, ServiceExt as _};

pub use body::ClientBody;

use crate::methods::{Method, Methods};
use crate::{DOMAIN, PRIORITY_HEADER, Problem, deadline, grpc_timeout};
use attempt::Call;
use budget::Budget;
use observe::Outgoing;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How calls are made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The time a call has, its repetitions included, where its caller sets none and has none left over.
    pub deadline: Duration,
    /// The same for a call whose answer is a stream.
    pub stream_deadline: Duration,
    /// Attempts per call, the first included; 1 turns repetition off.
    pub attempts_max: u32,
    /// The wait before the second attempt; doubles with each one, and is jittered by half.
    pub backoff: Duration,
    /// The longest wait between two attempts.
    pub backoff_max: Duration,
    /// Whether these calls may wait behind the server's other ones.
    pub batch: bool,
    /// Encoded `FileDescriptorSet`s of the services that are called: only methods they show to be unary are
    /// repeated and named in metrics.
    pub descriptors: Vec<&'static [u8]>,
    /// What to do if nobody answers; ends the sentence "no Rapport server answers at ..; ".
    pub hint: Cow<'static, str>,
}

impl Settings {
    /// The defaults.
    pub fn new(descriptors: &[&'static [u8]]) -> Settings {
        Settings {
            deadline: Duration::from_secs(10),
            stream_deadline: Duration::from_secs(3_600),
            attempts_max: 4,
            backoff: Duration::from_millis(50),
            backoff_max: Duration::from_secs(1),
            batch: false,
            descriptors: descriptors.to_vec(),
            hint: Cow::Borrowed("start one with `rapport all`"),
        }
    }
}

/// Why a client cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not `http://host:port`.
    #[error("`{target}` is not an address of a server; it should look like http://127.0.0.1:7400")]
    Target {
        /// As given.
        target: String,
    },
    /// Nobody listens there.
    #[error("no Rapport server answers at {target}; {hint}")]
    NobodyAnswers {
        /// As given.
        target: String,
        /// [`Settings::hint`].
        hint: String,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The descriptors are not a `FileDescriptorSet`; a mistake of the build.
    #[error("the descriptor set cannot be read: {0}")]
    Descriptors(String),
}

/// Makes calls to one server. Clones share the connection and the retry budget.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: String,
    settings: Settings,
    methods: Methods,
    budget: Budget,
    origin: observe::Origin,
}

impl Client {
    /// A client that has reached its server once.
    pub async fn connect(target: &str, settings: Settings) -> Result<Client, Error> {
        let client = Client::lazy(target, settings)?;
        let endpoint = endpoint(target)?;
        let channel = endpoint.connect().await.map_err(|source| Error::NobodyAnswers {
            target: target.to_owned(),
            hint: client.shared.settings.hint.clone().into_owned(),
            source,
        })?;
        Ok(Client { channel, ..client })
    }

    /// A client that connects with its first call. Needs a tokio runtime.
    pub fn lazy(target: &str, settings: Settings) -> Result<Client, Error> {
        let endpoint = endpoint(target)?;
        let methods =
            Methods::try_new(&settings.descriptors).map_err(|error| Error::Descriptors(error.to_string()))?;
        let origin = observe::Origin::of(endpoint.uri());
        let budget = Budget::default();
        let shared = Shared { target: target.to_owned(), settings, methods, budget, origin };
        Ok(Client { channel: endpoint.connect_lazy(), shared: Arc::new(shared) })
    }

    async fn answer(self, mut request: Request<Body>) -> Result<Response<ClientBody>, Status> {
        let method = self.shared.methods.of(request.uri().path());
        let until = self.deadline(&request, &method);
        if self.shared.settings.batch {
            request.headers_mut().insert(PRIORITY_HEADER, HeaderValue::from_static("batch"));
        }
        let mut outgoing = Outgoing::begin(method.clone(), &self.shared.origin);
        telemetry::inject(&outgoing.context, request.headers_mut());
        let context = outgoing.context.clone();
        let call = Call { client: &self, until };
        let made = async {
            if method.is_unary() { call.unary(request).await } else { call.streaming(request).await }
        };
        let made = tokio::time::timeout_at(until, made.with_context(context)).await;
        match made.unwrap_or_else(|_| Err(exceeded())) {
            Ok(response) => Ok(outgoing.watch(response)),
            Err(status) => {
                outgoing.end(status.code());
                Err(status)
            }
        }
    }

    /// The nearest of what the caller asked for, what the call being served has left, and the default.
    fn deadline(&self, request: &Request<Body>, method: &Method) -> Instant {
        let settings = &self.shared.settings;
        let streams = method.known && method.server_streaming;
        let default = if streams { settings.stream_deadline } else { settings.deadline };
        let asked = grpc_timeout::parse(request.headers()).ok().flatten();
        let until = Instant::now() + asked.unwrap_or(default);
        deadline().map_or(until, |inherited| until.min(inherited.0))
    }

    /// One attempt on the wire.
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, tonic::transport::Error> {
        let mut channel = self.channel.clone();
        channel.ready().await?.call(request).await
    }

    /// What a transport error means to the caller.
    fn status_of(&self, error: &(dyn std::error::Error + 'static)) -> Status {
        let Shared { target, settings, .. } = &*self.shared;
        tracing::debug!(target, %error, "a call did not get through");
        let has = |is: fn(&(dyn std::error::Error + 'static)) -> bool| {
            std::iter::successors(Some(error), |error| error.source()).any(is)
        };
        if has(|error| error.is::<TimeoutExpired>()) {
            // tonic keeps a clock of its own on our header; this is the same news with the right code.
            return exceeded();
        }
        let (reason, message) = match has(|error| error.is::<ConnectError>()) {
            true => ("UNREACHABLE", format!("no Rapport server answers at {target}; {}", settings.hint)),
            false => {
                ("CONNECTION_LOST", format!("the connection to {target} was lost before the answer came"))
            }
        };
        Problem::unavailable(DOMAIN, reason, message).with("target", target).to_status()
    }
}

fn endpoint(target: &str) -> Result<Endpoint, Error> {
    let wrong = || Error::Target { target: target.to_owned() };
    let endpoint = Endpoint::from_shared(target.to_owned()).map_err(|_| wrong())?;
    if endpoint.uri().scheme().is_none() || endpoint.uri().authority().is_none() {
        return Err(wrong());
    }
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT))
}

fn exceeded() -> Status {
    let message =
        "the deadline passed before the server answered; a change that was asked for may still be made";
    Problem::new(Code::DeadlineExceeded, DOMAIN, "DEADLINE_EXCEEDED", message).to_status()
}

impl Service<Request<Body>> for Client {
    type Response = Response<ClientBody>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<ClientBody>, Status>>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.clone().answer(request).boxed()
    }
}
