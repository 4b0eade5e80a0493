//! LookupMember: a member by the caller's own key, an e-mail address or a phone number.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use rpc::Problem;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::call::told;
use super::member_wire::member_message;
use super::refusal::DOMAIN;
use crate::domain::{Member, MemberKey};
use crate::store::member_keys::{self, Selection};
use crate::store::members;

/// So many of those who share a key are told.
const TOLD_MAX: u64 = 10;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::LookupMemberRequest>,
) -> Result<pb::LookupMemberResponse, Status> {
    use pb::lookup_member_request::Key;
    let (caller, message) = Caller::open(request)?;
    let (db, program_id) = (api.db.reader(), message.program_id.as_str());
    let (field, value, key) = match message.key.as_ref() {
        Some(Key::Email(address)) => ("email", address.as_str(), Some(MemberKey::email(address))),
        Some(Key::Phone(number)) => ("phone", number.as_str(), Some(MemberKey::Phone(number.clone()))),
        Some(Key::ExternalId(id)) => ("external_id", id.as_str(), None),
        None => ("external_id", "", None),
    };
    let found: Vec<Member> = match key {
        None => {
            let found = members::find_external(db, &caller.tenant, program_id, value).await;
            found.map_err(|e| told(&e))?.into_iter().collect()
        }
        Some(key) => {
            let selection = Selection { keys: vec![key], ..Selection::default() };
            let place = (&caller.tenant, program_id);
            let found = member_keys::page(db, place, &selection, Uuid::nil(), TOLD_MAX).await;
            found.map_err(|e| told(&e))?
        }
    };
    match survivors(&found).as_slice() {
        [member] => Ok(pb::LookupMemberResponse { member: Some(member_message(member)) }),
        [] => {
            let message = format!("the program has no member with this {field}");
            let problem = Problem::not_found(DOMAIN, "MEMBER_NOT_FOUND", message);
            Err(problem.with("program_id", program_id).with(field, value).to_status())
        }
        several => Err(ambiguous(field, several).to_status()),
    }
}

/// Of those who share an address or a number, the ones who were not merged into another of them.
fn survivors(found: &[Member]) -> Vec<Member> {
    let is_found = |id: Uuid| found.iter().any(|other| other.id == id);
    let left = |member: &&Member| member.merged_into.is_none_or(|id| !is_found(id));
    found.iter().filter(left).cloned().collect()
}

fn ambiguous(field: &str, several: &[Member]) -> Problem {
    let ids: Vec<String> = several.iter().map(|member| member.id.to_string()).collect();
    let message = format!("several members share this {field}; ListMembers lists them all");
    Problem::precondition(DOMAIN, "MEMBER_AMBIGUOUS", message).with("member_ids", ids.join(","))
}
