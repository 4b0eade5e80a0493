//! The wire: decodes requests into the domain's terms, runs them, encodes what came out. One file per RPC.

mod get_customer_profile;
mod query_scores;
mod receipt;
mod refusal;

use ambient::Clock;
use db::Db;
use proto::rapport::scoring::v1 as pb;
use tonic::{Request, Response, Status};

/// What every handler works with. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) pages: rpc::PageTokens,
}

/// Implements one method of a generated trait by the module of the same name.
macro_rules! serve {
    ($service:path { $($method:ident($request:ident) -> $response:ident;)+ }) => {
        #[tonic::async_trait]
        impl $service for Api {
            $(async fn $method(
                &self,
                request: Request<pb::$request>,
            ) -> Result<Response<pb::$response>, Status> {
                $method::handle(self, request).await.map(Response::new)
            })+
        }
    };
}

serve!(pb::score_service_server::ScoreService {
    query_scores(QueryScoresRequest) -> QueryScoresResponse;
});

serve!(pb::customer_service_server::CustomerService {
    get_customer_profile(GetCustomerProfileRequest) -> GetCustomerProfileResponse;
});
