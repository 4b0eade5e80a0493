//! Puts the service together from its parts.

use ambient::{Clock, Ids};
use db::Db;
use proto::rapport::scoring::v1 as pb;
use tonic::service::Routes;

use crate::consume;
use crate::rpc::Api;

/// What the service works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Its database, migrated.
    pub db: Db,
    /// Business time.
    pub clock: Clock,
    /// New identifiers.
    pub ids: Ids,
}

/// The running service. Clones share it.
#[derive(Clone, Debug)]
pub struct Service {
    api: Api,
}

/// Makes the service.
///
/// # Errors
/// That the database refused.
pub async fn build(deps: Deps) -> Result<Service, db::Error> {
    let Deps { db, clock, ids } = deps;
    let pages = requests::page_tokens(&db, &ids).await?;
    Ok(Service { api: Api { db, clock, pages } })
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
            .add_service(limited!(pb::score_service_server::ScoreServiceServer<Api>))
            .add_service(limited!(pb::customer_service_server::CustomerServiceServer<Api>))
    }

    /// The full names of its gRPC services, for health.
    pub fn names() -> Vec<String> {
        proto::services_of("rapport.scoring.v1")
    }

    /// What it does with the events of other services.
    pub fn handler(&self) -> events::Handler {
        consume::handler()
    }

    /// What seals its page tokens.
    pub fn pages(&self) -> rpc::PageTokens {
        self.api.pages.clone()
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
