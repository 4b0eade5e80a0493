//! A gRPC server with two ports: one for calls, one for those who look after the process.
//!
//! [`bind`] takes the ports, [`Bound::serve`] opens them, [`Running`] closes them step by step so that the
//! composition root can put its own steps between. No call is lost on the way: callers are told first, new
//! ones are turned away next, and those under way, with the mutations they began, get [`Settings::drain`] to
//! end.

mod body;
mod deadline;
mod listener;
mod observe;
mod ops;
mod repair;
mod running;
mod settings;
mod stack;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

pub use body::CallBody;
pub use running::Running;
pub use settings::Settings;
pub use stack::Stack;

use crate::auth::Authenticator;
use crate::methods::Methods;
use stack::Layers;

/// Why a server cannot start. Each is one line that says what to change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process listens there.
    #[error("{address} is already in use; choose another address with {flag} (port 0 takes a free one)")]
    AddressInUse {
        /// As configured.
        address: SocketAddr,
        /// The flag that changes it.
        flag: &'static str,
    },
    /// The system refuses the address for another reason.
    #[error("cannot listen on {address} ({flag}): {source}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// The flag that changes it.
        flag: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Everybody on the network could call.
    #[error(
        "refusing to listen on {0} without authentication: use a loopback address, configure authentication, \
         or say --insecure"
    )]
    Open(SocketAddr),
    /// Everybody on the network could send events.
    #[error(
        "refusing to listen for other services on {0} without a service credential: use a loopback address, \
         or set one"
    )]
    OpenInternal(SocketAddr),
    /// The descriptors are not a `FileDescriptorSet`; a mistake of the build.
    #[error("the descriptor set cannot be read: {0}")]
    Descriptors(String),
}

/// Whether the process can do its work, asked by `/readyz`.
#[derive(Clone)]
pub struct Readiness(Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>);

impl Readiness {
    /// Ready when `check` says so; it may ask a database and must end by itself.
    pub fn new<F>(check: impl Fn() -> F + Send + Sync + 'static) -> Readiness
    where
        F: Future<Output = bool> + Send + 'static,
    {
        Readiness(Arc::new(move || check().boxed()))
    }
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Readiness")
    }
}

/// A server that has its ports and answers nobody yet.
#[derive(Debug)]
pub struct Bound {
    settings: Settings,
    rpc: TcpListener,
    ops: TcpListener,
    internal: Option<(TcpListener, SocketAddr)>,
    rpc_addr: SocketAddr,
    ops_addr: SocketAddr,
    descriptors: Vec<&'static [u8]>,
    layers: Arc<Layers>,
}

/// Takes both ports. `descriptors` are the encoded `FileDescriptorSet`s of the services that will be served:
/// they name the methods in metrics and traces and feed reflection. Needs a tokio runtime.
pub fn bind(settings: &Settings, descriptors: &[&'static [u8]]) -> Result<Bound, Error> {
    let authenticator = Authenticator::default();
    if authenticator.is_open() && !settings.insecure && !settings.listen.ip().is_loopback() {
        return Err(Error::Open(settings.listen));
    }
    check_internal(settings)?;
    let methods = Methods::try_new(descriptors).map_err(|error| Error::Descriptors(error.to_string()))?;
    let (rpc, rpc_addr) = listener::bind(settings.listen, "--listen")?;
    let (ops, ops_addr) = listener::bind(settings.ops_listen, "--ops-listen")?;
    let internal = settings.internal_listen.map(|address| listener::bind(address, "--events-listen"));
    let internal = internal.transpose()?;
    let layers = Layers::new(settings, methods, authenticator);
    let (settings, descriptors) = (settings.clone(), descriptors.to_vec());
    Ok(Bound { settings, rpc, ops, internal, rpc_addr, ops_addr, descriptors, layers })
}

/// Refuses a port for other services that everybody on the network could call; [`bind`] does it too.
pub fn check_internal(settings: &Settings) -> Result<(), Error> {
    match settings.internal_listen {
        Some(address) if settings.service_token.is_none() && !address.ip().is_loopback() => {
            Err(Error::OpenInternal(address))
        }
        _ => Ok(()),
    }
}

impl Bound {
    /// Where calls will be answered.
    pub fn rpc_addr(&self) -> SocketAddr {
        self.rpc_addr
    }

    /// Where health and metrics will be answered.
    pub fn ops_addr(&self) -> SocketAddr {
        self.ops_addr
    }

    /// Where other services will be answered.
    pub fn internal_addr(&self) -> Option<SocketAddr> {
        self.internal.as_ref().map(|(_, address)| *address)
    }

    /// The same layers in front of `routes`, without a socket: for calls between services of one process, of
    /// methods that no listener should offer. Shares the limits, metrics and drain of this server.
    pub fn in_process(&self, routes: Routes) -> Stack {
        Stack::new(self.layers.clone(), routes)
    }

    /// As [`Bound::serve`], and `internal` on the port for other services if there is one.
    pub async fn serve_with_internal(
        mut self,
        (routes, internal): (Routes, Routes),
        services: &[String],
        readiness: Readiness,
    ) -> Result<Running, Error> {
        let taken = self.internal.take();
        let (layers, token) = (self.layers.clone(), self.settings.service_token.clone());
        let mut running = self.serve(routes, services, readiness).await?;
        if let Some((listener, _)) = taken {
            let authenticator = token.map_or_else(Authenticator::default, Authenticator::Service);
            let stack = Stack::new(layers.with_authenticator(authenticator), internal.prepare());
            let connections = listener::Connections { stack, ..running.connections.clone() };
            running.accepting.push(tokio::spawn(connections.accept(listener)));
        }
        Ok(running)
    }

    /// Starts to answer. `services` are the full names that health reports on, beside the empty name.
    pub async fn serve(
        self,
        routes: Routes,
        services: &[String],
        readiness: Readiness,
    ) -> Result<Running, Error> {
        let reporter = HealthReporter::new();
        for service in services.iter().map(String::as_str).chain([""]) {
            reporter.set_service_status(service, tonic_health::ServingStatus::Serving).await;
        }
        let health = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
        let mut routes = routes.add_service(health.clone());
        if self.settings.reflection {
            routes = with_reflection(routes, &self.descriptors)?;
        }
        let stopping = CancellationToken::new();
        let ops_stop = CancellationToken::new();
        let connections = listener::Connections {
            stack: Stack::new(self.layers.clone(), routes.prepare()),
            settings: self.settings.clone(),
            tracker: TaskTracker::new(),
            closing: self.layers.closing.clone(),
            killed: CancellationToken::new(),
        };
        let ops = ops::Ops::new(readiness, stopping.clone());
        let accepting = tokio::spawn(connections.clone().accept(self.rpc));
        let ops_task = tokio::spawn(ops::serve(self.ops, ops.router(health), ops_stop.clone()));
        Ok(Running {
            rpc_addr: self.rpc_addr,
            ops_addr: self.ops_addr,
            services: services.to_vec(),
            reporter,
            stopping,
            connections,
            layers: self.layers,
            accepting: vec![accepting],
            ops_stop,
            ops_task: Some(ops_task),
        })
    }
}

fn with_reflection(routes: Routes, descriptors: &[&'static [u8]]) -> Result<Routes, Error> {
    let configured = || {
        let builder = tonic_reflection::server::Builder::configure();
        let builder = builder.register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        descriptors.iter().fold(builder, |builder, set| builder.register_encoded_file_descriptor_set(set))
    };
    let unreadable = |error: tonic_reflection::server::Error| Error::Descriptors(error.to_string());
    let v1 = configured().build_v1().map_err(unreadable)?;
    let v1alpha = configured().build_v1alpha().map_err(unreadable)?;
    Ok(routes.add_service(v1).add_service(v1alpha))
}
