//! ExportMembers: all members of a program, chunk after chunk, each with the place behind it.

use futures::stream::{self, BoxStream, StreamExt};
use prost::Message;
use proto::Violations;
use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::call::told;
use super::exporting::{Cursors, chunk_size};
use super::list_members::selection;
use super::member_wire::member_message;
use super::refusal::{DOMAIN, cursor_invalid, program_not_found};
use crate::store::Tenant;
use crate::store::member_keys::{self, Selection};

const METHOD: &str = "ExportMembers";

/// A chunk ends early when it is longer than this: profiles may be long, and callers take short messages.
const CHUNK_BYTES_MAX: usize = 1024 * 1024;

type Chunks = BoxStream<'static, Result<pb::ExportMembersResponse, Status>>;

/// An export under way.
struct Export {
    api: Api,
    cursors: Cursors,
    tenant: Tenant,
    program_id: String,
    selection: Selection,
    rows: u32,
    /// The last member of the chunk before.
    after: Uuid,
}

pub(super) async fn handle(api: &Api, request: Request<pb::ExportMembersRequest>) -> Result<Chunks, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let selection = selection(&message.filter.clone().unwrap_or_default(), &mut found);
    found.into_result(DOMAIN)?;
    let asked = pb::ExportMembersRequest { cursor: String::new(), chunk_size: 0, ..message.clone() };
    let cursors = Cursors::of(api, &caller, METHOD, &asked);
    let after = match cursors.open(&message.cursor)? {
        Some(bytes) => Uuid::from_slice(&bytes).map_err(|_| cursor_invalid())?,
        None => Uuid::nil(),
    };
    let (program_id, tenant) = (message.program_id, caller.tenant);
    let program = api.catalogue.program(api.db.reader(), &tenant, &program_id).await;
    program.map_err(|e| told(&e))?.ok_or_else(|| program_not_found(&program_id))?;
    let (api, rows) = (api.clone(), chunk_size(message.chunk_size));
    let export = Export { api, cursors, tenant, program_id, selection, rows, after };
    Ok(stream::try_unfold(export, next).boxed())
}

async fn next(mut export: Export) -> Result<Option<(pb::ExportMembersResponse, Export)>, Status> {
    let Export { api, tenant, program_id, selection, rows, after, .. } = &export;
    let of = (tenant, program_id.as_str());
    let found = member_keys::page(api.db.reader(), of, selection, *after, u64::from(*rows)).await;
    let found = found.map_err(|e| told(&e))?;
    let fitting = fitting(found.iter().map(member_message));
    let Some(last) = fitting.len().checked_sub(1).and_then(|last| found.get(last)) else { return Ok(None) };
    export.after = last.id;
    let cursor = export.cursors.seal(export.after.as_bytes());
    Ok(Some((pb::ExportMembersResponse { members: fitting, cursor }, export)))
}

/// Those of them that fit into a chunk: at least one, or an export would never end.
fn fitting(members: impl Iterator<Item = pb::Member>) -> Vec<pb::Member> {
    let mut bytes: usize = 0;
    let mut fitting = Vec::new();
    for member in members {
        bytes = bytes.saturating_add(member.encoded_len());
        if bytes > CHUNK_BYTES_MAX && !fitting.is_empty() {
            break;
        }
        fitting.push(member);
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_ends_before_it_grows_too_long() {
        let long = |bytes: usize| pb::Member { external_id: "x".repeat(bytes), ..Default::default() };
        let count = |sizes: &[usize]| fitting(sizes.iter().map(|bytes| long(*bytes))).len();
        assert_eq!(count(&[10, 10, 10]), 3);
        assert_eq!(count(&[CHUNK_BYTES_MAX / 2, CHUNK_BYTES_MAX / 4, CHUNK_BYTES_MAX / 2]), 2);
        assert_eq!(count(&[CHUNK_BYTES_MAX, 1]), 1, "what is too long stands alone");
        assert_eq!(count(&[]), 0);
    }
}
