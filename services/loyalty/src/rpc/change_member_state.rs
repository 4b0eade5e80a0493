//! SuspendMember, ReactivateMember, CloseMember and EraseMember, through the ledger.

use prost::Message;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Written};
use tonic::{Request, Status};

use super::Api;
use super::refusal::{DOMAIN, problem};
use super::wire::{read_token, uuid};
use crate::domain::{ChangeState, Command, MemberState, Reply};
use crate::ledger::{Answered, Asked};

/// What the four requests have in common.
struct Given<'a> {
    request_id: &'a str,
    member_id: &'a str,
    reason: &'a str,
}

/// Sends a change through the ledger.
async fn change<M: Message, R: Message + Default>(
    api: &Api,
    (caller, message, method): (Caller, &M, &'static str),
    given: Given<'_>,
    to: MemberState,
    encode: fn(&Answered<'_>) -> Written,
) -> Result<(R, bool), Status> {
    let mut found = Violations::default();
    let request_id = uuid(given.request_id, &Path::ROOT, "request_id", &mut found);
    let member_id = uuid(given.member_id, &Path::ROOT, "member_id", &mut found);
    found.into_result(DOMAIN)?;
    let command = Command::ChangeState(ChangeState { member_id, to, note: given.reason.to_owned() });
    let call = Asked { call: caller.call(DOMAIN, method, request_id, message), encode };
    api.submit(&caller, member_id, command, call).await
}

/// Writes the handler of one of the four.
macro_rules! handler {
    ($module:ident, $request:ident -> $response:ident, $method:literal, $to:ident $(, $forfeited:ident)?) => {
        pub(super) mod $module {
            use super::*;

            pub(in crate::rpc) async fn handle(
                api: &Api,
                request: Request<pb::$request>,
            ) -> Result<pb::$response, Status> {
                let (caller, message) = Caller::open(request)?;
                let pb::$request { request_id, member_id, reason } = &message;
                let given = Given { request_id, member_id, reason };
                let asked = (caller, &message, $method);
                let submitted = change(api, asked, given, MemberState::$to, encode).await;
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
                    $($forfeited: reply.points(),)?
                    read_token: read_token(answered.wallet.id, answered.wallet.version),
                    replayed: false,
                })
            }
        }
    };
}

handler!(suspend_member, SuspendMemberRequest -> SuspendMemberResponse, "SuspendMember", Suspended);
handler!(reactivate_member, ReactivateMemberRequest -> ReactivateMemberResponse, "ReactivateMember", Active);
handler!(close_member, CloseMemberRequest -> CloseMemberResponse, "CloseMember", Closed, points_forfeited);
handler!(erase_member, EraseMemberRequest -> EraseMemberResponse, "EraseMember", Erased, points_forfeited);

fn state(reply: &Reply) -> i32 {
    match reply {
        Reply::State { state, .. } => *state as i32,
        _ => 0,
    }
}
