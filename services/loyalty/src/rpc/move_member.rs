//! MergeMembers, UnmergeMembers, AddHouseholdMember and RemoveHouseholdMember, through the ledger.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Written};
use tonic::{Request, Status};

use super::Api;
use super::refusal::problem;
use super::wire::{balance_after, further_points, main_points, read_token, uuid};
use crate::domain::{Command, Destination, HouseholdRole, MoveMember};
use crate::ledger::Answered;

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
                let to: fn(&pb::$request, &mut Violations) -> Destination = $to;
                let command = |member_id, found: &mut Violations| {
                    let to = to(&message, found);
                    if matches!(to, Destination::Member(into) if into == member_id) {
                        found.add(&Path::ROOT, "into_member_id", "must name somebody else than member_id");
                    }
                    Command::MoveMember(MoveMember { member_id, to, note: note.clone() })
                };
                let (asked, ids) = ((caller, &message, $method), (request_id.as_str(), member_id.as_str()));
                let submitted = api.submit_about(asked, ids, command, encode).await;
                let (response, replayed): (pb::$response, bool) = submitted?;
                Ok(pb::$response { replayed, ..response })
            }

            fn encode(answered: &Answered<'_>) -> Written {
                let points = match answered.answer {
                    Ok(reply) => reply.points(),
                    Err(refusal) => return Written::refused(&problem(refusal)),
                };
                Written::done(&pb::$response {
                    points_moved: main_points(points),
                    further_points_moved: further_points(points, answered.program),
                    balance: Some(balance_after(answered)),
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
        let pb::UpdateHouseholdMemberRequest { request_id, member_id, role: given } = &message;
        let command = |_, found: &mut Violations| Command::ChangeRole(role(*given, found));
        let (asked, ids) =
            ((caller, &message, "UpdateHouseholdMember"), (request_id.as_str(), member_id.as_str()));
        let submitted = api.submit_about(asked, ids, command, encode).await;
        let (response, replayed): (pb::UpdateHouseholdMemberResponse, bool) = submitted?;
        Ok(pb::UpdateHouseholdMemberResponse { replayed, ..response })
    }

    fn encode(answered: &Answered<'_>) -> Written {
        match answered.answer {
            Ok(_) => {
                let role = answered.wallet.role.map_or(0, |role| role as i32);
                Written::done(&pb::UpdateHouseholdMemberResponse { role, replayed: false })
            }
            Err(refusal) => Written::refused(&problem(refusal)),
        }
    }
}
