//! GetRuleSet: one version of a program's rules.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::{program_not_found, rule_set_not_found};
use super::rule_wire::rule_set_message;
use crate::store::rule_sets;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::GetRuleSetRequest>,
) -> Result<pb::GetRuleSetResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let (db, program_id) = (api.db.reader(), message.program_id.as_str());
    let program = api.catalogue.program(db, &caller.tenant, program_id).await.map_err(|e| told(&e))?;
    let program = program.ok_or_else(|| program_not_found(program_id))?;
    let set = rule_sets::find(db, &caller.tenant, program_id, message.version).await.map_err(|e| told(&e))?;
    let set = set.ok_or_else(|| rule_set_not_found(program_id, message.version))?;
    let rule_set = Some(rule_set_message(&set, program.currency, api.clock.now()));
    Ok(pb::GetRuleSetResponse { rule_set })
}
