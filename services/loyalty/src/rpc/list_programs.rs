//! ListPrograms: all programs, page by page.

use proto::rapport::loyalty::v1 as pb;
use tonic::{Request, Status};

use super::Api;
use super::call::{Caller, told};
use super::get_program::program_message;
use crate::store::programs;

const METHOD: &str = "ListPrograms";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListProgramsRequest>,
) -> Result<pb::ListProgramsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let size = rpc::page_size(message.page_size)?;
    let cursor = api.open_page(&caller, METHOD, "", &message.page_token)?.unwrap_or_default();
    let after = String::from_utf8_lossy(&cursor);
    let mut found = programs::page(api.db.reader(), &caller.tenant, &after, u64::from(size) + 1)
        .await
        .map_err(|e| told(&e))?;
    let next_page_token = api.next_page(&caller, METHOD, "", &mut found, size, |p| p.id.as_bytes().to_vec());
    Ok(pb::ListProgramsResponse { programs: found.iter().map(program_message).collect(), next_page_token })
}
