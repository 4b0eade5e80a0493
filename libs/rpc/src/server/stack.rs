//! The layers in front of every handler, in order: trace and metrics, panic guard, deadline, admission,
//! authentication. One future, so that a call pays for no box and no clone per layer.
//!
//! The guard is inside of trace and metrics: a panic is then counted, traced and logged under its call's
//! trace id. What is outside of it touches no message; a panic there would end one stream, not the
//! connection.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock};
use std::task::{Context as Task, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use opentelemetry::KeyValue;
use opentelemetry::context::FutureExt as _;
use opentelemetry::metrics::Counter;
use telemetry::names::{attribute, metric};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;

use super::body::{CallBody, Streamed};
use super::observe::Observation;
use super::{Settings, deadline, repair};
use crate::admission::{Admission, Permit, Priority};
use crate::auth::Authenticator;
use crate::call::{self, Deadline, Work};
use crate::methods::{Method, Methods};
use crate::{DOMAIN, Problem, error};

/// What a refused caller should wait before it tries again.
const OVERLOADED_RETRY_AFTER: Duration = Duration::from_millis(200);

static SHED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    telemetry::meter()
        .u64_counter(metric::RPC_SERVER_SHED)
        .with_description("Calls refused by overload")
        .build()
});

/// What all calls of a process share.
#[derive(Debug)]
pub(crate) struct Layers {
    methods: Methods,
    admission: Arc<Admission>,
    authenticator: Authenticator,
    deadline_max: Duration,
    stream_deadline_max: Duration,
    /// Mutations that run to their end.
    pub(crate) tasks: TaskTracker,
    /// Ends streams and connections.
    pub(crate) closing: CancellationToken,
}

impl Layers {
    pub(crate) fn new(settings: &Settings, methods: Methods, authenticator: Authenticator) -> Arc<Layers> {
        let admission = Admission::new(settings.in_flight_max, settings.queue_max);
        gauge(metric::RPC_SERVER_IN_FLIGHT, &admission, |load| load.0);
        gauge(metric::RPC_SERVER_QUEUED, &admission, |load| load.1);
        Arc::new(Layers {
            methods,
            admission,
            authenticator,
            deadline_max: settings.deadline_max,
            stream_deadline_max: settings.stream_deadline_max,
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        })
    }

    /// The same limits, with another way to authenticate.
    pub(crate) fn with_authenticator(&self, authenticator: Authenticator) -> Arc<Layers> {
        Arc::new(Layers {
            methods: self.methods.clone(),
            admission: self.admission.clone(),
            authenticator,
            deadline_max: self.deadline_max,
            stream_deadline_max: self.stream_deadline_max,
            tasks: self.tasks.clone(),
            closing: self.closing.clone(),
        })
    }

    fn deadline_max(&self, method: &Method) -> Duration {
        match (method.exempt, method.server_streaming) {
            (true, _) => deadline::FOREVER,
            (false, true) => self.stream_deadline_max,
            (false, false) => self.deadline_max,
        }
    }

    async fn admit(&self, priority: Priority) -> Result<Permit, Problem> {
        self.admission.admit(priority).await.map_err(|_shed| {
            SHED.add(1, &[KeyValue::new(attribute::PRIORITY, priority.name())]);
            Problem::unavailable(
                DOMAIN,
                "OVERLOADED",
                "the server has more calls than it can queue; try again",
            )
            .retry_after(OVERLOADED_RETRY_AFTER)
        })
    }
}

fn gauge(name: &'static str, admission: &Arc<Admission>, read: fn((usize, usize)) -> usize) {
    let admission = Arc::downgrade(admission);
    let meter = telemetry::meter();
    meter
        .u64_observable_gauge(name)
        .with_callback(move |gauge| {
            if let Some(admission) = admission.upgrade() {
                gauge.observe(read(admission.load()) as u64, &[]);
            }
        })
        .build();
}

/// Routes behind the layers, as a tower service.
#[derive(Clone, Debug)]
pub struct Stack {
    layers: Arc<Layers>,
    routes: Routes,
}

impl Stack {
    pub(crate) fn new(layers: Arc<Layers>, routes: Routes) -> Stack {
        Stack { layers, routes }
    }

    /// Answers one call. Every outcome is a response.
    pub(crate) async fn answer<B>(self, request: Request<B>) -> Response<CallBody>
    where
        B: http_body::Body<Data = Bytes, Error: Into<tonic::codegen::StdError>> + Send + 'static,
    {
        let method = self.layers.methods.of(request.uri().path());
        let mut observation = Observation::begin(method.clone(), request.headers());
        let context = observation.context.clone();
        let closing = method.server_streaming.then(|| self.layers.closing.clone());
        let guarded = async {
            let outcome = AssertUnwindSafe(self.within_deadline(request, &method)).catch_unwind().await;
            outcome.unwrap_or_else(|panic| Answer::refuse(error::panicked(&*panic)))
        };
        let mut answer = guarded.with_context(context).await;
        repair::complete(&mut answer.response, &method);
        observation.head(answer.response.headers());
        let streamed = answer.deadline.zip(closing).map(|(until, closing)| Streamed::new(until, closing));
        answer.response.map(|body| CallBody::new(body, observation, answer.permit, streamed))
    }

    async fn within_deadline<B>(self, request: Request<B>, method: &Method) -> Answer
    where
        B: http_body::Body<Data = Bytes, Error: Into<tonic::codegen::StdError>> + Send + 'static,
    {
        let until = match deadline::of(request.headers(), self.layers.deadline_max(method)) {
            Ok(until) => until,
            Err(problem) => return Answer::refuse(problem),
        };
        let work = call::under(Deadline(until), self.admitted(request, method, until));
        match deadline::within(until, work).await {
            Some(Ok(answer)) => answer,
            Some(Err(problem)) => Answer::refuse(problem),
            None => Answer::refuse(deadline::exceeded()),
        }
    }

    async fn admitted<B>(
        mut self,
        mut request: Request<B>,
        method: &Method,
        until: tokio::time::Instant,
    ) -> Result<Answer, Problem>
    where
        B: http_body::Body<Data = Bytes, Error: Into<tonic::codegen::StdError>> + Send + 'static,
    {
        let mut permit = None;
        if !method.exempt {
            permit = Some(Arc::new(self.layers.admit(Priority::of(request.headers())).await?));
            let principal = self.layers.authenticator.authenticate(request.headers())?;
            request.extensions_mut().insert(principal);
        }
        // It may have passed on arrival, or together with the wait; either way the handler must not begin.
        if until <= tokio::time::Instant::now() {
            return Err(deadline::exceeded());
        }
        let work = Work { permit: permit.clone(), tasks: self.layers.tasks.clone() };
        request.extensions_mut().insert(work);
        request.extensions_mut().insert(Deadline(until));
        let Ok(response) = self.routes.call(request).await;
        Ok(Answer { response, permit, deadline: Some(until) })
    }
}

/// A response on its way out, with what its body still needs.
struct Answer {
    response: Response<Body>,
    permit: Option<Arc<Permit>>,
    deadline: Option<tokio::time::Instant>,
}

impl Answer {
    fn refuse(status: impl Into<tonic::Status>) -> Answer {
        Answer { response: status.into().into_http(), permit: None, deadline: None }
    }
}

impl<B> Service<Request<B>> for Stack
where
    B: http_body::Body<Data = Bytes, Error: Into<tonic::codegen::StdError>> + Send + 'static,
{
    type Response = Response<CallBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<CallBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.clone().answer(request).map(Ok).boxed()
    }
}
