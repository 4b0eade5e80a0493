//! The wire: decodes requests into the domain's terms, runs them, encodes what came out. One file per RPC.

mod get_customer_profile;
mod query_scores;
mod receipt;
mod refusal;

use ambient::Clock;
use db::Db;
use proto::rapport::scoring::v1 as pb;
use requests::serve;

/// What every handler works with. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) pages: rpc::PageTokens,
}

serve!(Api, pb, pb::score_service_server::ScoreService {
    query_scores(QueryScoresRequest) -> QueryScoresResponse;
});

serve!(Api, pb, pb::customer_service_server::CustomerService {
    get_customer_profile(GetCustomerProfileRequest) -> GetCustomerProfileResponse;
});
