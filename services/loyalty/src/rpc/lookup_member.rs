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
/// So many pages of those who share a key are looked at.
const PAGES_MAX: usize = 100;

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
        Some(key) => sharing(api, (&caller.tenant, program_id), key).await.map_err(|e| told(&e))?,
    };
    match found.as_slice() {
        [member] => Ok(pb::LookupMemberResponse { member: Some(member_message(member)) }),
        [] => {
            let message = format!("the program has no member with this {field}");
            let problem = Problem::not_found(DOMAIN, "MEMBER_NOT_FOUND", message);
            // The value may be somebody's address, and errors are written to logs.
            Err(problem.with("program_id", program_id).with("key", field).to_status())
        }
        several => Err(ambiguous(field, several).to_status()),
    }
}

/// Customers who share a key, some of them if they are many: whoever was merged leads to the one who is left,
/// and whoever left counts only if nobody else is there, or too many left to know.
async fn sharing(api: &Api, place: (&Tenant, &str), key: MemberKey) -> Result<Vec<Member>, db::Error> {
    let db = api.db.reader();
    let selection = Selection { keys: vec![key], ..Selection::default() };
    let (mut here, mut left) = (BTreeMap::new(), BTreeMap::new());
    let (mut after, mut pages) = (Some(Uuid::nil()), 0);
    while let Some(last) = after.filter(|_| here.len() < 2 && pages < PAGES_MAX) {
        pages += 1;
        let page = member_keys::page(db, place, &selection, last, TOLD_MAX).await?;
        after = page.last().map(|member| member.id).filter(|_| page.len() as u64 == TOLD_MAX);
        for member in page {
            let member = members::survivor(db, place.0, member).await?;
            let found = if member.state.is_over() { &mut left } else { &mut here };
            found.insert(member.id, member);
        }
    }
    if here.is_empty() || (after.is_some() && here.len() < 2) {
        here.append(&mut left);
    }
    Ok(here.into_values().collect())
}

fn ambiguous(field: &str, several: &[Member]) -> Problem {
    let ids = several.iter().take(TOLD_MAX as usize).map(|member| member.id.to_string());
    let ids: Vec<String> = ids.collect();
    let message = format!("several members share this {field}; ListMembers lists them all");
    Problem::precondition(DOMAIN, "MEMBER_AMBIGUOUS", message).with("member_ids", ids.join(","))
}
