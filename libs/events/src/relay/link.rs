//! The way to a subscriber: in this process a tower service in memory, otherwise a connection.

use proto::rapport::event::v1 as pb;
use proto::rapport::event::v1::subscriber_service_client::SubscriberServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Status};

/// How a subscriber is reached. Both speak through the same codec and layers.
#[derive(Clone, Debug)]
pub enum Link {
    /// A subscriber in this process; no socket.
    InProcess(rpc::server::Stack),
    /// A subscriber elsewhere.
    Remote {
        /// The connection.
        client: rpc::client::Client,
        /// The `authorization` header of a service credential; none on loopback.
        authorization: Option<MetadataValue<Ascii>>,
    },
}

impl Link {
    pub(super) async fn deliver(&self, request: pb::DeliverRequest) -> Result<pb::DeliverResponse, Status> {
        let mut request = Request::new(request);
        let response = match self {
            Link::InProcess(stack) => {
                // A client over a socket writes this header itself.
                if let Some(Ok(parent)) = telemetry::traceparent().map(|text| text.parse()) {
                    request.metadata_mut().insert("traceparent", parent);
                }
                SubscriberServiceClient::new(stack.clone()).deliver(request).await?
            }
            Link::Remote { client, authorization } => {
                if let Some(value) = authorization {
                    request.metadata_mut().insert("authorization", value.clone());
                }
                SubscriberServiceClient::new(client.clone()).deliver(request).await?
            }
        };
        Ok(response.into_inner())
    }
}
