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
    pub(super) async fn deliver(&self, message: pb::DeliverRequest) -> Result<pb::DeliverResponse, Status> {
        let request = self.request(message);
        let response = match self {
            Link::InProcess(stack) => SubscriberServiceClient::new(stack.clone()).deliver(request).await?,
            Link::Remote { client, .. } => {
                SubscriberServiceClient::new(client.clone()).deliver(request).await?
            }
        };
        Ok(response.into_inner())
    }

    pub(super) async fn take_state(&self, message: pb::TakeStateRequest) -> Result<(), Status> {
        let request = self.request(message);
        match self {
            Link::InProcess(stack) => SubscriberServiceClient::new(stack.clone()).take_state(request).await?,
            Link::Remote { client, .. } => {
                SubscriberServiceClient::new(client.clone()).take_state(request).await?
            }
        };
        Ok(())
    }

    /// The request with the headers that this way needs.
    fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        match self {
            Link::InProcess(_) => {
                // A client over a socket writes this header itself.
                if let Some(Ok(parent)) = telemetry::traceparent().map(|text| text.parse()) {
                    request.metadata_mut().insert("traceparent", parent);
                }
            }
            Link::Remote { authorization, .. } => {
                if let Some(value) = authorization {
                    request.metadata_mut().insert("authorization", value.clone());
                }
            }
        }
        request
    }
}
