//! ListPrograms: all programs, page by page.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::program_wire::program_message;
use crate::store::programs;

const METHOD: &str = "ListPrograms";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListProgramsRequest>,
) -> Result<pb::ListProgramsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let list = caller.list(&api.pages, METHOD, "", message.page_size)?;
    let cursor = list.open(&message.page_token)?.unwrap_or_default();
    let after = String::from_utf8_lossy(&cursor);
    let mut found =
        programs::page(api.db.reader(), &caller.tenant, &after, list.limit()).await.map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut found, |_| 0, |p| p.id.as_bytes().to_vec());
    Ok(pb::ListProgramsResponse { programs: found.iter().map(program_message).collect(), next_page_token })
}
