//! The RPC port: connections that are counted, must say early that they speak HTTP/2, and end politely.

use std::io::{Cursor, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use opentelemetry::metrics::UpDownCounter;
use telemetry::names::metric;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::server::TcpConnectInfo;

use super::{Error, Settings, Stack};

const BACKLOG: u32 = 1_024;
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// For a browser or a scraper on the wrong port.
const NOT_HTTP2: &str = "HTTP/1.1 505 HTTP Version Not Supported\r\nconnection: close\r\n\r\n\
    This port speaks gRPC over HTTP/2; metrics are on the operations port.\n";
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long to leave the listener alone when the process has no file descriptor for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

static CONNECTIONS: LazyLock<UpDownCounter<i64>> = LazyLock::new(|| {
    telemetry::meter()
        .i64_up_down_counter(metric::RPC_SERVER_CONNECTIONS)
        .with_description("Open connections")
        .build()
});

/// Takes an address, and says which one it got.
pub(crate) fn bind(address: SocketAddr, flag: &'static str) -> Result<(TcpListener, SocketAddr), Error> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Connections of an earlier process may linger; a listener still refuses a second one.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let local = listener.local_addr()?;
        Ok((listener, local))
    };
    listen().map_err(|source: std::io::Error| match source.kind() {
        ErrorKind::AddrInUse => Error::AddressInUse { address, flag },
        _ => Error::Listen { address, flag, source },
    })
}

/// The connections of the RPC port.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    pub(crate) stack: Stack,
    pub(crate) settings: Settings,
    pub(crate) tracker: TaskTracker,
    /// No new connections; those there are get a GOAWAY and end with their last call.
    pub(crate) closing: CancellationToken,
    /// The end of all patience.
    pub(crate) killed: CancellationToken,
}

impl Connections {
    /// Accepts until the server closes; the listener is then gone, so new callers are refused at once.
    pub(crate) async fn accept(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(self.settings.connections_max));
        loop {
            let accepted = tokio::select! {
                () = self.closing.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, remote)) => match places.clone().try_acquire_owned() {
                    Ok(place) => drop(self.tracker.spawn(self.clone().serve(stream, remote, place))),
                    Err(_) => tracing::warn!(limit = self.settings.connections_max, "too many connections"),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve(self, stream: TcpStream, remote: SocketAddr, _place: OwnedSemaphorePermit) {
        CONNECTIONS.add(1, &[]);
        if let Err(error) = self.converse(stream, remote).await {
            tracing::debug!(error = &*error, "a connection ended early");
        }
        CONNECTIONS.add(-1, &[]);
    }

    async fn converse(&self, stream: TcpStream, remote: SocketAddr) -> Result<(), tonic::codegen::StdError> {
        stream.set_nodelay(true)?;
        let info = TcpConnectInfo { local_addr: stream.local_addr().ok(), remote_addr: Some(remote) };
        let (mut read, mut write) = stream.into_split();
        let mut preface = [0; PREFACE.len()];
        tokio::select! {
            () = self.closing.cancelled() => return Ok(()),
            said = tokio::time::timeout(self.settings.handshake_max, read.read_exact(&mut preface)) => said??,
        };
        if preface != *PREFACE {
            write.write_all(NOT_HTTP2.as_bytes()).await?;
            return Ok(());
        }
        let io = TokioIo::new(tokio::io::join(Cursor::new(preface).chain(read), write));
        let stack = self.stack.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(info.clone());
            let answer = stack.clone().answer(request);
            async { Ok::<_, std::convert::Infallible>(answer.await) }
        });
        let connection = self.http2().serve_connection(io, service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            () = self.closing.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            ended = connection => Ok(ended?),
            () = self.killed.cancelled() => Ok(()),
        }
    }

    fn http2(&self) -> http2::Builder<TokioExecutor> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.settings.streams_per_connection_max)
            .max_pending_accept_reset_streams(self.settings.resets_per_connection_max)
            .max_header_list_size(self.settings.metadata_bytes_max)
            .keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        builder
    }
}
