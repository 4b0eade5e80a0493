//! SuspendMember, ReactivateMember, CloseMember and EraseMember, through the ledger.

use proto::Violations;
use proto::rapport::loyalty::v1 as pb;
use requests::{Caller, Written};
use tonic::{Request, Status};

use super::Api;
use super::refusal::problem;
use super::wire::{further_points, main_points, read_token};
use crate::domain::{ChangeState, Command, MemberState, Reply};
use crate::ledger::Answered;

/// Writes the handler of one of the four.
macro_rules! handler {
    (
        $module:ident, $request:ident -> $response:ident, $method:literal, $to:ident
        $(, $forfeited:ident, $further:ident)?
    ) => {
        pub(super) mod $module {
            use super::*;

            pub(in crate::rpc) async fn handle(
                api: &Api,
                request: Request<pb::$request>,
            ) -> Result<pb::$response, Status> {
                let (caller, message) = Caller::open(request)?;
                let pb::$request { request_id, member_id, reason } = &message;
                let command = |member_id, _: &mut Violations| {
                    let (to, note) = (MemberState::$to, reason.clone());
                    Command::ChangeState(ChangeState { member_id, to, note })
                };
                let (asked, ids) = ((caller, &message, $method), (request_id.as_str(), member_id.as_str()));
                let submitted = api.submit_about(asked, ids, command, encode).await;
                let (response, replayed): (pb::$response, bool) = submitted?;
                Ok(pb::$response { replayed, ..response })
            }

            fn encode(answered: &Answered<'_>) -> Written {
                let reply = match answered.answer {
                    Ok(reply) => reply,
                    Err(refusal) => return Written::refused(&problem(refusal)),
                };
                Written::done(&pb::$response {
                    state: state(reply),
                    $($forfeited: main_points(reply.points()),
                    $further: further_points(reply.points(), answered.program),)?
                    read_token: read_token(answered.wallet.id, answered.wallet.version),
                    replayed: false,
                })
            }
        }
    };
}

handler!(suspend_member, SuspendMemberRequest -> SuspendMemberResponse, "SuspendMember", Suspended);
handler!(reactivate_member, ReactivateMemberRequest -> ReactivateMemberResponse, "ReactivateMember", Active);
handler!(
    close_member,
    CloseMemberRequest -> CloseMemberResponse,
    "CloseMember",
    Closed,
    points_forfeited,
    further_points_forfeited
);
handler!(
    erase_member,
    EraseMemberRequest -> EraseMemberResponse,
    "EraseMember",
    Erased,
    points_forfeited,
    further_points_forfeited
);

fn state(reply: &Reply) -> i32 {
    match reply {
        Reply::State { state, .. } => *state as i32,
        _ => 0,
    }
}
