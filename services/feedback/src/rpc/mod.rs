//! The wire: decodes requests into the domain's terms, runs them, encodes what came out. One file per RPC.

mod announce;
mod assign_case;
mod batch_submit_feedback;
mod call;
mod case_message;
mod get_case;
mod get_feedback;
mod intake;
mod list_cases;
mod list_feedback;
mod refusal;
mod resolve_case;
mod respond_to_case;
mod state;
mod submission;
mod submit_feedback;

use ambient::Clock;
use db::Db;
use events::Bell;
use proto::rapport::feedback::v1 as pb;
use requests::serve;

pub(crate) use intake::{Deps as IntakeDeps, Intake};
pub use state::told as state;

/// What every handler works with. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) bell: Bell,
    pub(crate) intake: Intake,
    pub(crate) pages: rpc::PageTokens,
}

serve!(Api, pb, pb::feedback_service_server::FeedbackService {
    submit_feedback(SubmitFeedbackRequest) -> SubmitFeedbackResponse;
    batch_submit_feedback(BatchSubmitFeedbackRequest) -> BatchSubmitFeedbackResponse;
    get_feedback(GetFeedbackRequest) -> GetFeedbackResponse;
    list_feedback(ListFeedbackRequest) -> ListFeedbackResponse;
});

serve!(Api, pb, pb::case_service_server::CaseService {
    get_case(GetCaseRequest) -> GetCaseResponse;
    list_cases(ListCasesRequest) -> ListCasesResponse;
    assign_case(AssignCaseRequest) -> AssignCaseResponse;
    respond_to_case(RespondToCaseRequest) -> RespondToCaseResponse;
    resolve_case(ResolveCaseRequest) -> ResolveCaseResponse;
});
