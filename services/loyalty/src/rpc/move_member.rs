//! MergeMembers, UnmergeMembers, AddHouseholdMember and RemoveHouseholdMember, through the ledger.

use prost::Message;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Written};
use tonic::{Request, Status};

use super::Api;
use super::refusal::{DOMAIN, problem};
use super::wire::{balance, read_token, uuid};
use crate::domain::{Command, Destination, HouseholdRole, MoveMember, Reply};
use crate::ledger::{Answered, Asked};

/// What the four requests have in common.
struct Given<'a> {
    request_id: &'a str,
    member_id: &'a str,
    note: &'a str,
}

/// Sends a move through the ledger.
async fn send<M: Message, R: Message + Default>(
    api: &Api,
    (caller, message, method): (Caller, &M, &'static str),
    given: Given<'_>,
    to: impl FnOnce(&mut Violations) -> Destination,
    encode: fn(&Answered<'_>) -> Written,
) -> Result<(R, bool), Status> {
    let mut found = Violations::default();
    let request_id = uuid(given.request_id, &Path::ROOT, "request_id", &mut found);
    let member_id = uuid(given.member_id, &Path::ROOT, "member_id", &mut found);
    let to = to(&mut found);
    if matches!(to, Destination::Member(into) if into == member_id) {
        found.add(&Path::ROOT, "into_member_id", "must name somebody else than member_id");
    }
    found.into_result(DOMAIN)?;
    let command = Command::MoveMember(MoveMember { member_id, to, note: given.note.to_owned() });
    let call = Asked { call: caller.call(DOMAIN, method, request_id, message), encode };
    api.submit(&caller, member_id, command, call).await
}

/// Writes the handler of one of the four.
macro_rules! handler {
    ($module:ident, $request:ident -> $response:ident, $method:literal, $to:expr) => {
        pub(super) mod $module {
            use super::*;

            pub(in crate::rpc) async fn handle(
                api: &Api,
                request: Request<pb::$request>,
            ) -> Result<pb::$response, Status> {
                let (caller, message) = Caller::open(request)?;
                let pb::$request { request_id, member_id, note, .. } = &message;
                let given = Given { request_id, member_id, note };
                let to: fn(&pb::$request, &mut Violations) -> Destination = $to;
                let to = |found: &mut Violations| to(&message, found);
                let submitted = send(api, (caller, &message, $method), given, to, encode).await;
                let (response, replayed): (pb::$response, bool) = submitted?;
                Ok(pb::$response { replayed, ..response })
            }

            fn encode(answered: &Answered<'_>) -> Written {
                let points_moved = match answered.answer {
                    Ok(reply) => reply.points(),
                    Err(refusal) => return Written::refused(&problem(refusal)),
                };
                Written::done(&pb::$response {
                    points_moved,
                    balance: Some(balance(answered.wallet, answered.program)),
                    read_token: read_token(answered.wallet.id, answered.wallet.version),
                    replayed: false,
                })
            }
        }
    };
}

handler!(merge_members, MergeMembersRequest -> MergeMembersResponse, "MergeMembers", |message, found| {
    Destination::Member(uuid(&message.into_member_id, &Path::ROOT, "into_member_id", found))
});
handler!(unmerge_members, UnmergeMembersRequest -> UnmergeMembersResponse, "UnmergeMembers", |_, _| {
    Destination::Unmerged
});
handler!(
    add_household_member,
    AddHouseholdMemberRequest -> AddHouseholdMemberResponse,
    "AddHouseholdMember",
    |message, found| {
        let household_id = uuid(&message.household_id, &Path::ROOT, "household_id", found);
        Destination::Household(household_id, role(message.role, found))
    }
);
handler!(
    remove_household_member,
    RemoveHouseholdMemberRequest -> RemoveHouseholdMemberResponse,
    "RemoveHouseholdMember",
    |_, _| Destination::OutOfHousehold
);

fn role(given: i32, found: &mut Violations) -> HouseholdRole {
    HouseholdRole::from_number(given).unwrap_or_else(|| {
        found.add(&Path::ROOT, "role", "must be a role");
        HouseholdRole::Earner
    })
}

pub(super) mod update_household_member {
    use super::*;

    pub(in crate::rpc) async fn handle(
        api: &Api,
        request: Request<pb::UpdateHouseholdMemberRequest>,
    ) -> Result<pb::UpdateHouseholdMemberResponse, Status> {
        let (caller, message) = Caller::open(request)?;
        let mut found = Violations::default();
        let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
        let member_id = uuid(&message.member_id, &Path::ROOT, "member_id", &mut found);
        let role = role(message.role, &mut found);
        found.into_result(DOMAIN)?;
        let call = Asked { call: caller.call(DOMAIN, "UpdateHouseholdMember", request_id, &message), encode };
        let submitted = api.submit(&caller, member_id, Command::ChangeRole(role), call).await;
        let (response, replayed): (pb::UpdateHouseholdMemberResponse, bool) = submitted?;
        Ok(pb::UpdateHouseholdMemberResponse { replayed, ..response })
    }

    fn encode(answered: &Answered<'_>) -> Written {
        match answered.answer {
            Ok(Reply::Done) => {
                let role = answered.wallet.role.map_or(0, |role| role as i32);
                Written::done(&pb::UpdateHouseholdMemberResponse { role, replayed: false })
            }
            Ok(_) => Written::done(&pb::UpdateHouseholdMemberResponse::default()),
            Err(refusal) => Written::refused(&problem(refusal)),
        }
    }
}
