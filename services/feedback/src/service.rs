//! Puts the service together from its parts.

use ambient::{Clock, Ids};
use db::Db;
use events::Bell;
use proto::rapport::feedback::v1 as pb;
use tonic::service::Routes;

use crate::rpc::{Api, Intake, IntakeDeps};

/// What the service works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Its database, migrated.
    pub db: Db,
    /// Business time.
    pub clock: Clock,
    /// New identifiers.
    pub ids: Ids,
    /// Rung when a commit left events.
    pub bell: Bell,
}

/// The running service. Clones share it.
#[derive(Clone, Debug)]
pub struct Service {
    api: Api,
}

/// Starts the service: its lane runs from here on.
///
/// # Errors
/// That the database refused.
pub async fn build(deps: Deps) -> Result<Service, db::Error> {
    let Deps { db, clock, ids, bell } = deps;
    let pages = requests::page_tokens(&db, &ids).await?;
    let intake = Intake::start(IntakeDeps { db: db.clone(), clock: clock.clone(), bell: bell.clone() });
    Ok(Service { api: Api { db, clock, bell, intake, pages } })
}

impl Service {
    /// Adds its gRPC services to `routes`.
    pub fn add_to(&self, routes: Routes) -> Routes {
        /// The same limit for every service.
        macro_rules! limited {
            ($server:path) => {
                <$server>::new(self.api.clone()).max_decoding_message_size(rpc::MESSAGE_BYTES_MAX)
            };
        }
        routes
            .add_service(limited!(pb::feedback_service_server::FeedbackServiceServer<Api>))
            .add_service(limited!(pb::case_service_server::CaseServiceServer<Api>))
    }

    /// The full names of its gRPC services, for health.
    pub fn names() -> Vec<String> {
        proto::services_of("rapport.feedback.v1")
    }

    /// What seals its page tokens.
    pub fn pages(&self) -> rpc::PageTokens {
        self.api.pages.clone()
    }

    /// Answers what waits in the lane and ends it.
    pub async fn close(&self) {
        self.api.intake.close().await;
    }

    /// True if it can answer.
    pub async fn is_ready(&self) -> bool {
        self.api.db.is_ready().await
    }

    #[cfg(test)]
    pub(crate) fn api(&self) -> &Api {
        &self.api
    }
}
