//! ListMembers: the members of a program, all or those that a filter selects, page by page.

use prost::Message;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::call::told;
use super::member_wire::{IS_NO_EMAIL, IS_NO_PHONE, attributes, is_email, is_phone, member_message};
use super::refusal::{DOMAIN, program_not_found};
use super::wire::period;
use crate::domain::{MemberKey, MemberState};
use crate::store::member_keys::{self, Selection};

const METHOD: &str = "ListMembers";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListMembersRequest>,
) -> Result<pb::ListMembersResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let (db, program_id) = (api.db.reader(), &message.program_id);
    let mut violations = Violations::default();
    let filter = message.filter.clone().unwrap_or_default();
    let selection = selection(&filter, &mut violations);
    violations.into_result(DOMAIN)?;
    let program = api.catalogue.program(db, &caller.tenant, program_id).await.map_err(|e| told(&e))?;
    program.ok_or_else(|| program_not_found(program_id))?;
    let asked = format!("{program_id} {:?}", filter.encode_to_vec());
    let list = caller.list(&api.pages, METHOD, &asked, message.page_size)?;
    let cursor = list.open(&message.page_token)?;
    let after = cursor.and_then(|bytes| Uuid::from_slice(&bytes).ok()).unwrap_or_default();
    let found = member_keys::page(db, (&caller.tenant, program_id), &selection, after, list.limit()).await;
    let mut found = found.map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut found, |_| 0, |m| m.id.as_bytes().to_vec());
    Ok(pb::ListMembersResponse { members: found.iter().map(member_message).collect(), next_page_token })
}

/// What a filter selects.
pub(super) fn selection(filter: &pb::MemberFilter, found: &mut Violations) -> Selection {
    let path = Path::ROOT.field("filter");
    let mut keys = Vec::new();
    if !filter.email.is_empty() {
        if !is_email(&filter.email) {
            found.add(&path, "email", IS_NO_EMAIL);
        }
        keys.push(MemberKey::email(&filter.email));
    }
    if !filter.phone.is_empty() {
        if !is_phone(&filter.phone) {
            found.add(&path, "phone", IS_NO_PHONE);
        }
        keys.push(MemberKey::Phone(filter.phone.clone()));
    }
    let attributes = attributes(&filter.attributes, &path, found);
    keys.extend(attributes.into_iter().map(|(name, value)| MemberKey::Attribute(name, value)));
    let enrolled = [(filter.enrolled_since, "enrolled_since"), (filter.enrolled_before, "enrolled_before")];
    let (since, before) = period(enrolled, &path, found);
    Selection { state: MemberState::from_number(filter.state), keys, since, before }
}
