//! Where Redis is, standalone or a cluster, and how a connection to it is made and proved.

use futures::future::join_all;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionInfo, IntoConnectionInfo, RedisResult, Value};
use tokio::time::timeout;

use super::script::Scripts;
use crate::{Error, RedisSettings};

/// Commands that may wait for the connection's one writer; more than the 50 of the crate's default, which
/// callers queue behind.
const WAITING_MAX: usize = 1_024;

pub(super) struct Endpoint {
    client: AnyClient,
    /// Host and port, for messages.
    address: String,
    settings: RedisSettings,
}

enum AnyClient {
    Standalone(Box<Client>),
    Cluster(Box<ClusterClient>),
}

/// An established connection; clones share it.
#[derive(Clone)]
pub(super) enum Connection {
    Standalone(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Endpoint {
    pub(super) fn new(settings: &RedisSettings) -> Result<Endpoint, Error> {
        let nodes = settings.url.split(',').map(node).collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<String> = nodes.iter().map(|node| node.addr().to_string()).collect();
        let address = addresses.join(",");
        let client = match (settings.cluster, <[ConnectionInfo; 1]>::try_from(nodes)) {
            (false, Ok([node])) => {
                Client::open(node).ok().map(|client| AnyClient::Standalone(Box::new(client)))
            }
            (false, Err(_)) => {
                return Err(Error::Url { reason: "it names several servers, and cluster is off" });
            }
            (true, Ok([node])) => cluster(settings, vec![node]),
            (true, Err(nodes)) => cluster(settings, nodes),
        };
        let client = client.ok_or(Error::Url { reason: "its parts do not go together" })?;
        Ok(Endpoint { client, address, settings: settings.clone() })
    }

    /// A connection that has answered within a call's budget and knows the scripts.
    pub(super) async fn connect(&self, scripts: &Scripts) -> Result<Connection, Error> {
        let unavailable = |reason: String| Error::Unavailable { address: self.address.clone(), reason };
        let connecting = timeout(self.settings.connect_timeout, self.dial());
        let mut connection = match connecting.await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(unavailable(error.to_string())),
            Err(_) => return Err(unavailable("connecting took too long".to_owned())),
        };
        match timeout(self.settings.response_timeout, scripts.load(&mut connection)).await {
            Ok(Ok(())) => Ok(connection),
            Ok(Err(error)) => Err(unavailable(error.to_string())),
            Err(_) => Err(unavailable("no answer within the budget of a call".to_owned())),
        }
    }

    async fn dial(&self) -> RedisResult<Connection> {
        match &self.client {
            AnyClient::Standalone(client) => {
                // The budget of a call is ours, around waiting and retries too: a second timer in the crate
                // would only cost. The crate's default of 500 ms would be ten budgets.
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(self.settings.connect_timeout))
                    .set_response_timeout(None)
                    .set_pipeline_buffer_size(WAITING_MAX);
                let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
                Ok(Connection::Standalone(connection))
            }
            AnyClient::Cluster(client) => Ok(Connection::Cluster(client.get_async_connection().await?)),
        }
    }
}

impl Connection {
    pub(super) async fn one(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Connection::Standalone(connection) => connection.req_packed_command(command).await,
            Connection::Cluster(connection) => connection.req_packed_command(command).await,
        }?
        .extract_error()
    }

    /// The answer to each command, in one round trip. A cluster's pipeline may not cross slots, so there the
    /// commands go out side by side.
    pub(super) async fn all(&mut self, commands: &[Cmd]) -> RedisResult<Vec<RedisResult<Value>>> {
        match self {
            Connection::Standalone(connection) => {
                let mut pipeline = redis::Pipeline::with_capacity(commands.len());
                for command in commands {
                    pipeline.add_command(command.clone());
                }
                let answers = connection.req_packed_commands(&pipeline, 0, commands.len()).await?;
                Ok(answers.into_iter().map(Value::extract_error).collect())
            }
            Connection::Cluster(connection) => {
                let calls = commands.iter().map(|command| {
                    let mut connection = connection.clone();
                    async move { connection.req_packed_command(command).await?.extract_error() }
                });
                Ok(join_all(calls).await)
            }
        }
    }
}

/// One server's address with the socket settings we want: Nagle's algorithm off, which the crate leaves on.
fn node(url: &str) -> Result<ConnectionInfo, Error> {
    let url = redis::parse_redis_url(url.trim())
        .ok_or(Error::Url { reason: "it does not begin with redis:// or rediss://, or does not parse" })?;
    let info = url
        .into_connection_info()
        .map_err(|_| Error::Url { reason: "its host, port, database or parameters are wrong" })?;
    Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

fn cluster(settings: &RedisSettings, nodes: Vec<ConnectionInfo>) -> Option<AnyClient> {
    let client = ClusterClientBuilder::new(nodes)
        .connection_timeout(settings.connect_timeout)
        .response_timeout(settings.response_timeout)
        .tcp_settings(TcpSettings::default().set_nodelay(true))
        .retries(2)
        .build();
    client.ok().map(|client| AnyClient::Cluster(Box::new(client)))
}
