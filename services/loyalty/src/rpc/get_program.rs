//! GetProgram: one program by its id.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::program_wire::program_message;
use super::refusal::program_not_found;
use crate::store::programs;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetProgramRequest>,
) -> Result<pb::GetProgramResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let found = programs::find(api.db.reader(), &caller.tenant, &message.program_id).await;
    let program = found.map_err(|e| told(&e))?.ok_or_else(|| program_not_found(&message.program_id))?;
    Ok(pb::GetProgramResponse { program: Some(program_message(&program)) })
}
