//! ListHouseholds: the households of a program, page by page.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::call::told;
use super::create_household::household_message;
use super::refusal::program_not_found;
use crate::store::households;

const METHOD: &str = "ListHouseholds";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListHouseholdsRequest>,
) -> Result<pb::ListHouseholdsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let (db, program_id) = (api.db.reader(), &message.program_id);
    let program = api.catalogue.program(db, &caller.tenant, program_id).await.map_err(|e| told(&e))?;
    program.ok_or_else(|| program_not_found(program_id))?;
    let list = caller.list(&api.pages, METHOD, program_id, message.page_size)?;
    let cursor = list.open(&message.page_token)?;
    let after = cursor.and_then(|bytes| Uuid::from_slice(&bytes).ok()).unwrap_or_default();
    let place = (&caller.tenant, program_id.as_str());
    let mut found = households::page(db, place, after, list.limit()).await.map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut found, |_| 0, |h| h.id.as_bytes().to_vec());
    Ok(pb::ListHouseholdsResponse {
        households: found.iter().map(household_message).collect(),
        next_page_token,
    })
}
