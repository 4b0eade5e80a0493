//! LookupMember: a member by the caller's own key, an e-mail address or a phone number.

use std::collections::BTreeMap;

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
use crate::store::{Tenant, members};

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
            survivors(api, &caller.tenant, found.map_err(|e| told(&e))?).await?
        }
    };
    match found.as_slice() {
        [member] => Ok(pb::LookupMemberResponse { member: Some(member_message(member)) }),
        [] => {
            let message = format!("the program has no member with this {field}");
            let problem = Problem::not_found(DOMAIN, "MEMBER_NOT_FOUND", message);
            Err(problem.with("program_id", program_id).with(field, value).to_status())
        }
        several => Err(ambiguous(field, several).to_status()),
    }
}

/// Those whom members lead to: whoever was merged leads to the one who is left.
async fn survivors(api: &Api, tenant: &Tenant, found: Vec<Member>) -> Result<Vec<Member>, Status> {
    let mut survivors = BTreeMap::new();
    for member in found {
        let member = members::survivor(api.db.reader(), tenant, member).await.map_err(|e| told(&e))?;
        survivors.insert(member.id, member);
    }
    Ok(survivors.into_values().collect())
}

fn ambiguous(field: &str, several: &[Member]) -> Problem {
    let ids: Vec<String> = several.iter().map(|member| member.id.to_string()).collect();
    let message = format!("several members share this {field}; ListMembers lists them all");
    Problem::precondition(DOMAIN, "MEMBER_AMBIGUOUS", message).with("member_ids", ids.join(","))
}
