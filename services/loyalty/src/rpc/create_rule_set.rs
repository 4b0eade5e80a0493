//! CreateRuleSet: checks rules and writes them as a draft.

use ambient::Time;
use futures::FutureExt;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::{Caller, Once, Written};
use tonic::{Request, Status};

use super::Api;
use super::call::told;
use super::refusal::{DOMAIN, program_not_found};
use super::rule_wire::{compiled, rule_set_message};
use super::wire::uuid;
use crate::store::{Owner, programs, rule_sets};

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::CreateRuleSetRequest>,
) -> Result<pb::CreateRuleSetResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let given = message.rule_set.clone().unwrap_or_default();
    let program = programs::find(api.db.reader(), &caller.tenant, &given.program_id).await;
    let program = program.map_err(|e| told(&e))?.ok_or_else(|| program_not_found(&given.program_id))?;
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let rules = compiled(&given, &program, &Path::ROOT.field("rule_set"), &mut found);
    found.into_result(DOMAIN)?;
    let rules = rules.ok_or_else(|| rpc::error::internal_because("valid rules were not compiled"))?;
    let now = api.clock.now();
    let draft = rule_sets::Stored {
        program_id: program.id.clone(),
        version: 0,
        display_name: given.display_name,
        active: false,
        start: Time::NEVER,
        end: Time::NEVER,
        rules: rules.source().clone(),
        create_time: now,
    };
    let call = caller.call(DOMAIN, "CreateRuleSet", request_id, &message);
    let command = Once { scope: Owner::named(&caller.tenant, &program.id), call, now };
    let (tenant, currency) = (caller.tenant.clone(), program.currency);
    let submitted = api.submit_once(&caller, command, move |tx| {
        let (tenant, mut draft) = (tenant.clone(), draft.clone());
        async move {
            draft.version = rule_sets::latest_version(tx, &tenant, &draft.program_id).await? + 1;
            rule_sets::insert(tx, &tenant, &draft).await?;
            let rule_set = Some(rule_set_message(&draft, currency, now));
            Ok(Written::done(&pb::CreateRuleSetResponse { rule_set, replayed: false }))
        }
        .boxed()
    });
    let (response, replayed): (pb::CreateRuleSetResponse, bool) = submitted.await?;
    Ok(pb::CreateRuleSetResponse { replayed, ..response })
}
