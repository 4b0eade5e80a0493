//! The limits of a server. Every one has a number; none is infinite.

use std::net::SocketAddr;
use std::time::Duration;

use crate::auth::ServiceToken;

/// What a server listens on and how much it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where calls are answered; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where health, readiness and metrics are answered, in plaintext.
    pub ops_listen: SocketAddr,
    /// Where other services of the installation call, if they do; off loopback only with
    /// [`Settings::service_token`].
    pub internal_listen: Option<SocketAddr>,
    /// What they must carry; none on loopback.
    pub service_token: Option<ServiceToken>,
    /// Allows `listen` off loopback without authentication.
    pub insecure: bool,
    /// Whether callers may list methods and messages.
    pub reflection: bool,
    /// The longest a unary call may take, and what it gets if the caller sets no deadline.
    pub deadline_max: Duration,
    /// The same for a stream.
    pub stream_deadline_max: Duration,
    /// Calls worked on at once, in the whole process.
    pub in_flight_max: usize,
    /// Calls waiting for their turn, in the whole process.
    pub queue_max: usize,
    /// Open connections.
    pub connections_max: usize,
    /// Concurrent calls on one connection.
    pub streams_per_connection_max: u32,
    /// Streams a peer may reset before they were accepted; more ends the connection.
    pub resets_per_connection_max: usize,
    /// All headers of one call together.
    pub metadata_bytes_max: u32,
    /// The longest a new connection may take to say that it speaks HTTP/2.
    pub handshake_max: Duration,
    /// The longest that calls under way may take once the server closes.
    pub drain: Duration,
    /// How long a closing server still takes calls, so that balancers notice; none means 2 s, and 0 on
    /// loopback.
    pub linger: Option<Duration>,
}

impl Settings {
    /// The defaults, on these addresses.
    pub fn new(listen: SocketAddr, ops_listen: SocketAddr) -> Settings {
        Settings {
            listen,
            ops_listen,
            internal_listen: None,
            service_token: None,
            insecure: false,
            reflection: true,
            deadline_max: Duration::from_secs(30),
            stream_deadline_max: Duration::from_secs(3_600),
            in_flight_max: 512,
            queue_max: 4_096,
            connections_max: 1_024,
            streams_per_connection_max: 256,
            resets_per_connection_max: 64,
            metadata_bytes_max: 16 * 1_024,
            handshake_max: Duration::from_secs(10),
            drain: Duration::from_secs(20),
            linger: None,
        }
    }

    pub(crate) fn linger(&self) -> Duration {
        let default = if self.listen.ip().is_loopback() { Duration::ZERO } else { Duration::from_secs(2) };
        self.linger.unwrap_or(default)
    }
}
