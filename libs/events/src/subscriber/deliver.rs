//! `SubscriberService/Deliver`.

use proto::rapport::event::v1 as pb;
use proto::rapport::event::v1::subscriber_service_server::SubscriberService;
use rpc::Problem;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::Subscriber;
use super::continuity::Piece;
use crate::{DOMAIN, Place};

#[tonic::async_trait]
impl SubscriberService for Subscriber {
    async fn deliver(
        &self,
        request: Request<pb::DeliverRequest>,
    ) -> Result<Response<pb::DeliverResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let subscriber = self.clone();
        let work = async move { subscriber.take(message).await };
        rpc::run_to_completion(&extensions, work).await?.map(Response::new)
    }

    async fn take_state(
        &self,
        request: Request<pb::TakeStateRequest>,
    ) -> Result<Response<pb::TakeStateResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let subscriber = self.clone();
        let work = async move { subscriber.take_part(message).await };
        rpc::run_to_completion(&extensions, work).await?.map(Response::new)
    }
}

impl Subscriber {
    /// Applies what continues its cursors and says where they stand.
    ///
    /// # Errors
    /// UNAVAILABLE if the database is; INVALID_ARGUMENT for what is not a slice.
    pub async fn take(&self, message: pb::DeliverRequest) -> Result<pb::DeliverResponse, Status> {
        let kinds: Vec<String> = self.handler.kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let log_id = Uuid::try_parse(&message.log_id).map_err(|_| malformed("log_id"))?;
        if message.kinds != kinds {
            let outcome = |slice: pb::Slice| pb::Outcome {
                bucket: slice.bucket,
                state: pb::SliceState::KindsDiffer.into(),
                cursor: Some(Place::ZERO.message()),
            };
            let outcomes = message.slices.into_iter().map(outcome).collect();
            return Ok(pb::DeliverResponse { kinds, outcomes });
        }
        let mut pieces = Vec::with_capacity(message.slices.len());
        for slice in message.slices {
            pieces.push(Piece::of(&message.source, slice).ok_or_else(|| malformed("slices"))?);
        }
        let ascending = pieces.is_sorted_by(|one, next| one.bucket < next.bucket);
        if !ascending {
            return Err(malformed("slices"));
        }
        let outcomes = self.apply_all(&message.source, log_id, pieces).await;
        let outcomes = outcomes.map_err(|error| unavailable(&error))?;
        Ok(pb::DeliverResponse { kinds, outcomes })
    }
}

pub(super) fn malformed(field: &'static str) -> Status {
    Problem::invalid(DOMAIN, "FIELDS_INVALID", "the request is not a delivery")
        .field(field, "is not what a relay sends")
        .to_status()
}

pub(super) fn unavailable(error: &db::Error) -> Status {
    tracing::warn!(%error, "the database of a subscriber is not available");
    let message = "the database is not available; deliver again";
    Problem::unavailable(DOMAIN, "DATABASE_UNAVAILABLE", message).to_status()
}
