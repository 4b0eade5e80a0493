//! Closing a server in order, in steps between which the composition root puts its own.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::listener::Connections;
use super::stack::Layers;
use std::sync::Arc;

/// The operations port may carry a health watch, which ends with nothing but its connection.
const OPS_CLOSE_MAX: Duration = Duration::from_millis(500);

/// A server that answers. Dropping it stops nothing: use the steps, in this order:
/// [`Running::stop_advertising`], (stop workers), [`Running::drain`], (close lanes, finish deliveries, flush
/// telemetry), [`Running::close_ops`].
#[derive(Debug)]
pub struct Running {
    /// Where calls are answered.
    pub rpc_addr: SocketAddr,
    /// Where health and metrics are answered.
    pub ops_addr: SocketAddr,
    pub(super) services: Vec<String>,
    pub(super) reporter: HealthReporter,
    pub(super) stopping: CancellationToken,
    pub(super) connections: Connections,
    pub(super) layers: Arc<Layers>,
    pub(super) accepting: Vec<JoinHandle<()>>,
    pub(super) ops_stop: CancellationToken,
    pub(super) ops_task: Option<JoinHandle<()>>,
}

impl Running {
    /// Health says NOT_SERVING and `/readyz` says no; calls are still answered.
    pub async fn stop_advertising(&self) {
        self.stopping.cancel();
        for service in self.services.iter().map(String::as_str).chain([""]) {
            self.reporter.set_service_status(service, ServingStatus::NotServing).await;
        }
    }

    /// Lingers, then takes no more calls, ends streams with UNAVAILABLE, and waits for calls and their
    /// mutations. False if some were still under way when the time was over; their connections are then cut.
    pub async fn drain(&mut self) -> bool {
        tokio::time::sleep(self.connections.settings.linger()).await;
        self.layers.closing.cancel();
        for accepting in self.accepting.drain(..) {
            let _ = accepting.await;
        }
        let (connections, tasks) = (&self.connections.tracker, &self.layers.tasks);
        connections.close();
        tasks.close();
        let ended = async {
            connections.wait().await;
            tasks.wait().await;
        };
        let drained = tokio::time::timeout(self.connections.settings.drain, ended).await.is_ok();
        if !drained {
            tracing::warn!(
                connections = connections.len(),
                mutations = tasks.len(),
                "calls were still under way when the time to drain was over"
            );
            self.connections.killed.cancel();
        }
        drained
    }

    /// Closes the operations port, last of all.
    pub async fn close_ops(&mut self) {
        self.ops_stop.cancel();
        if let Some(mut task) = self.ops_task.take()
            && tokio::time::timeout(OPS_CLOSE_MAX, &mut task).await.is_err()
        {
            task.abort();
        }
    }
}
