//! ListMembers: the members of a program, page by page.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::call::told;
use super::enroll_member::member_message;
use super::refusal::program_not_found;
use crate::store::members;

const METHOD: &str = "ListMembers";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListMembersRequest>,
) -> Result<pb::ListMembersResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let (db, program_id) = (api.db.reader(), &message.program_id);
    let program = api.catalogue.program(db, &caller.tenant, program_id).await.map_err(|e| told(&e))?;
    program.ok_or_else(|| program_not_found(program_id))?;
    let list = caller.list(&api.pages, METHOD, program_id, message.page_size)?;
    let cursor = list.open(&message.page_token)?;
    let after = cursor.and_then(|bytes| Uuid::from_slice(&bytes).ok()).unwrap_or_default();
    let mut found =
        members::page(db, &caller.tenant, program_id, after, list.limit()).await.map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut found, |_| 0, |m| m.id.as_bytes().to_vec());
    Ok(pb::ListMembersResponse { members: found.iter().map(member_message).collect(), next_page_token })
}
