//! ListRuleSets: the versions of a program's rules, page by page.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use rpc::page::number;
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::program_not_found;
use super::rule_wire::rule_set_message;
use crate::store::rule_sets;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListRuleSetsRequest>,
) -> Result<pb::ListRuleSetsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let (db, program_id) = (api.db.reader(), message.program_id.as_str());
    let program = api.catalogue.program(db, &caller.tenant, program_id).await.map_err(|e| told(&e))?;
    let program = program.ok_or_else(|| program_not_found(program_id))?;
    let list = caller.list(&api.pages, "ListRuleSets", program_id, message.page_size)?;
    let before = list.open(&message.page_token)?.map_or(i64::MAX, |cursor| number(&cursor));
    let page = rule_sets::page(db, &caller.tenant, program_id, before, list.limit()).await;
    let mut page = page.map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut page, |_| 0, |set| set.version.to_be_bytes().to_vec());
    let now = api.clock.now();
    let rule_sets = page.iter().map(|set| rule_set_message(set, program.currency, now)).collect();
    Ok(pb::ListRuleSetsResponse { rule_sets, next_page_token })
}
