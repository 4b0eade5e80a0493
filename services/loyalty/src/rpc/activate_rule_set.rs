//! ActivateRuleSet: a draft holds from a moment on.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::refusal::DOMAIN;
use super::rule_set_term::Change;
use super::wire::{time, uuid};
use crate::domain::activate;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ActivateRuleSetRequest>,
) -> Result<pb::ActivateRuleSetResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let mut found = Violations::default();
    let request_id = uuid(&message.request_id, &Path::ROOT, "request_id", &mut found);
    let start = time(message.start_time, &Path::ROOT, "start_time", &mut found);
    let now = api.clock.now();
    let version = message.version;
    found.into_result(DOMAIN)?;
    let call = caller.call(DOMAIN, "ActivateRuleSet", request_id, &message);
    let decide = move |terms: &[_]| activate(terms, version, start, now);
    let change = Change { version, now, decide };
    let answer = |rule_set| pb::ActivateRuleSetResponse { rule_set: Some(rule_set), replayed: false };
    let (response, replayed) = api.change_terms(&caller, call, &message.program_id, change, answer).await?;
    Ok(pb::ActivateRuleSetResponse { replayed, ..response })
}
